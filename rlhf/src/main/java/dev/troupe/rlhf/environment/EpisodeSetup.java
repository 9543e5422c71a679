package dev.troupe.rlhf.environment;

import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.environment.calls.Reply;
import dev.troupe.rlhf.environment.calls.ToolCallFormat;
import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EnvironmentFactory;
import dev.troupe.rlhf.port.Sampler;
import dev.troupe.rlhf.port.Text;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What a stage's episodes are played in: an environment, its bounds, and how both are written. */
public final class EpisodeSetup {
  /** Tokens in which a prompt opens a thought, at most. */
  private static final int OPENING = 16;

  private final String section;
  private final EnvironmentConfig config;
  private final EpisodesConfig bounds;
  private final Environments environments;
  private final Text text;
  private final List<Map<String, @Nullable Object>> tools;
  private final boolean severalCalls;
  private final Map<Map<String, @Nullable Object>, Optional<String>> refusals =
      new ConcurrentHashMap<>();

  /**
   * Asks the environment which tools it offers, and whether the template can write them.
   *
   * @param section of the configuration, for messages, such as {@code grpo.environment}
   * @throws EnvironmentException when the environment is not there, or the template does not do
   */
  public EpisodeSetup(
      String section,
      EnvironmentConfig config,
      EpisodesConfig bounds,
      Environments environments,
      Text text) {
    this.section = section;
    this.config = config;
    this.bounds = bounds;
    this.environments = environments;
    this.text = text;
    EnvironmentFactory factory = factory();
    try {
      tools = List.copyOf(factory.tools());
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new EnvironmentException(section + ": which tools it offers can't be known: " + e, e);
    } finally {
      if (!environments.given(config)) {
        factory.close(); // what came with the run's request is the one that episodes use
      }
    }
    Between between = new Between(text, tools, Map.of());
    between.check(section, tools);
    severalCalls = tools.isEmpty() || between.writesSeveralCalls(Between.name(tools.get(0)));
    reader();
  }

  private EnvironmentFactory factory() {
    return config instanceof EnvironmentConfig.Calculator
        ? new Calculator()
        : environments.make(section, config);
  }

  /** Tools offered to the model by its chat template. */
  public List<Map<String, @Nullable Object>> tools() {
    return tools;
  }

  public EpisodesConfig bounds() {
    return bounds;
  }

  /**
   * Why episodes cannot go on from a prompt that gives the chat template more than tools.
   *
   * @param variables that it gives
   * @return empty where they can: the template writes what follows a turn with them too
   */
  public Optional<String> refusal(Map<String, @Nullable Object> variables) {
    return refusals.computeIfAbsent(
        variables,
        given -> {
          try {
            between(given).check(section, tools);
            return Optional.empty();
          } catch (RuntimeException e) { // templates refuse in their own ways
            return Optional.of(String.valueOf(e.getMessage()));
          }
        });
  }

  private Between between(Map<String, @Nullable Object> variables) {
    return new Between(text, tools, variables);
  }

  /**
   * Ready to play.
   *
   * @param policy what is sampled
   * @param notices hears what a person should know
   */
  public Episodes open(Sampler policy, Consumer<String> notices) {
    return new Episodes(section, policy, text, factory(), bounds, reader(), this::between, notices);
  }

  /** As told, or by the family of the template; without tools what is said is text. */
  private TurnReader reader() {
    Optional<ToolCallFormat> format =
        bounds.toolCalls().or(() -> ToolCallFormat.of(text.chatTemplate()));
    if (format.isEmpty()) {
      if (!tools.isEmpty()) {
        throw new EnvironmentException(
            section
                + " offers the tools "
                + tools.stream().map(Between::name).toList()
                + ", and "
                + text.chatTemplateName()
                + " writes calls in none of the forms that are known here (docs/environments.md);"
                + " name the form that the model writes in "
                + section.replaceFirst("environment$", "episodes.tool-calls")
                + " ("
                + Stream.of(ToolCallFormat.values())
                    .map(Limits::word)
                    .collect(Collectors.joining(", "))
                + "), or take a model of another family");
      }
      return (TokenIds history, TokenIds turn) -> spoken(text.decode(turn));
    }
    return (TokenIds history, TokenIds turn) -> {
      boolean thinking = format.get().thinksAtOnce(spelled(tail(history)));
      Reply reply = format.get().parse(spelled(turn), thinking, tools);
      List<Environment.ToolCall> calls = reply.calls();
      int written = severalCalls ? calls.size() : Math.min(1, calls.size());
      return new TurnReader.Turn(
          new Environment.Action(reply.text(), calls.subList(0, written)),
          format.get().said(reply, thinking),
          reply.malformed().size() + calls.size() - written);
    };
  }

  private static TurnReader.Turn spoken(String said) {
    return new TurnReader.Turn(new Environment.Action(said, List.of()), said, 0);
  }

  private String spelled(TokenIds tokens) {
    return String.join("", text.pieces(tokens));
  }

  /** Where a prompt opens the policy's turn. */
  private static TokenIds tail(TokenIds history) {
    int from = Math.max(0, history.size() - OPENING);
    return new TokenIds(Arrays.copyOfRange(history.values(), from, history.size()));
  }
}
