package dev.troupe.rlhf.environment;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Episode;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.Environment.ToolCall;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** One episode while it is played. */
final class Play {
  static final String BEGINNING_TOO_LONG = "what the environment shows at first is too long";
  private static final String OUT_OF_TURN = "the environment answered out of turn";

  private final Prompt asked;
  private final int answer;
  private final World world;
  private TokenIds prompt;
  private TokenIds response = TokenIds.EMPTY;
  private int[] sampled = new int[64];
  private float[] logprobs = new float[64];
  private int length;
  private String text = "";
  private FinishReason finish = FinishReason.STOP;
  private long version = -1;
  private int turns;
  private int calls;
  private int failedCalls;
  private boolean shown;
  private int observedAtFirst;
  private boolean rewarded;
  private double reward;
  private final Map<String, Double> parts = new TreeMap<>();
  private Environment.Action action = new Environment.Action("", List.of());
  private Episode.@Nullable End end;
  private Episode.@Nullable Failure failure;

  /**
   * @param answer its number among those to the prompt, from 0
   */
  Play(Prompt asked, int answer, World world) {
    this.asked = asked;
    this.answer = answer;
    this.world = world;
    this.prompt = asked.tokens();
  }

  World world() {
    return world;
  }

  boolean over() {
    return end != null;
  }

  /** Tokens that it may still sample. */
  int left(int most) {
    return most - length;
  }

  Environment.Action action() {
    return action;
  }

  /** What the policy reads before its next turn; its random numbers follow from the id. */
  Prompt history() {
    return new Prompt(
        asked.id() + "/" + (answer + 1) + "." + (turns + 1), asked.text(), prompt.concat(response));
  }

  /** The prompt itself. */
  Prompt asked() {
    return new Prompt(asked.id(), asked.text(), asked.tokens());
  }

  /** What the prompt gives the chat template beside tools. */
  Map<String, @Nullable Object> variables() {
    return asked.variables();
  }

  /** Whether there was something to see at first. */
  boolean shown() {
    return shown;
  }

  /** What there is to see at first is part of the prompt; fails where that does not fit. */
  void begins(TokenIds with, int maxObserved, int context) {
    int added = Math.max(0, with.size() - asked.tokens().size());
    if (added > maxObserved) {
      fails(
          BEGINNING_TOO_LONG,
          added
              + " tokens, max-observation-tokens allows "
              + maxObserved
              + " in the whole episode");
    } else if (with.size() >= context) {
      fails(
          BEGINNING_TOO_LONG,
          with.size() + " tokens with the prompt, the model's context is " + context);
    } else {
      prompt = with;
      observedAtFirst = added;
      shown = true;
    }
  }

  /**
   * Takes up a turn, cut to what is left of the tokens.
   *
   * @param decode for a turn that is cut
   */
  void says(Rollout turn, int most, TurnReader reader, Function<TokenIds, String> decode) {
    if (turns > 0 && turn.adapterVersion() != version) {
      throw new IllegalStateException(
          "an episode of weights of version "
              + version
              + " went on with those of version "
              + turn.adapterVersion());
    }
    version = turn.adapterVersion();
    TokenIds tokens = turn.response();
    int room = left(most);
    finish = turn.finish();
    text = turn.text();
    if (tokens.size() > room) {
      tokens = new TokenIds(Arrays.copyOf(tokens.values(), room));
      finish = FinishReason.LENGTH;
      text = decode.apply(tokens);
    }
    turns++;
    for (int i = 0; i < tokens.size(); i++) {
      if (length == sampled.length) {
        sampled = Arrays.copyOf(sampled, 2 * length);
        logprobs = Arrays.copyOf(logprobs, 2 * length);
      }
      sampled[length] = response.size() + i;
      logprobs[length++] = turn.logprobs().get(i);
    }
    TokenIds before = response;
    response = response.concat(tokens);
    if (finish == FinishReason.LENGTH) {
      end = Episode.End.TOKENS;
      return;
    }
    TurnReader.Turn read = reader.read(prompt.concat(before), tokens);
    action = named(read.action());
    text = read.said();
    calls += action.calls().size() + read.malformed();
    failedCalls += read.malformed();
  }

  /** Calls have ids of nine letters and digits; those that have none such get one. */
  private Environment.Action named(Environment.Action read) {
    List<ToolCall> named = new ArrayList<>();
    for (ToolCall call : read.calls()) {
      named.add(
          !Between.isCallId(call.id())
              ? new ToolCall(
                  Between.callId(calls + named.size() + 1), call.name(), call.arguments())
              : call);
    }
    return new Environment.Action(read.text(), named);
  }

  /**
   * Takes up what a step gave.
   *
   * @return what the policy is to read, where the episode goes on
   */
  Optional<List<ChatMessage>> sees(Environment.@Nullable Observation seen, int maxTurns) {
    if (!takes(seen, action.calls().size()) || seen == null) {
      return Optional.empty();
    }
    if (seen.done() || (seen.messages().isEmpty() && action.calls().isEmpty())) {
      end = Episode.End.DONE;
      return Optional.empty();
    }
    Optional<List<ChatMessage>> messages = inTurn(seen.messages());
    if (messages.isPresent() && turns >= maxTurns) {
      end = Episode.End.TURNS;
      return Optional.empty();
    }
    return messages;
  }

  /** The first thing to see, before any turn. */
  List<ChatMessage> looks(Environment.@Nullable Observation seen) {
    if (!takes(seen, 0) || seen == null) {
      return List.of();
    }
    if (seen.done()) {
      fails(OUT_OF_TURN, "it was done before the policy's first turn");
      return List.of();
    }
    return seen.messages().isEmpty() ? List.of() : inTurn(seen.messages()).orElse(List.of());
  }

  /** The judgement of one that was cut. */
  void judged(Environment.@Nullable Observation seen) {
    takes(seen, 0);
  }

  /** Enters rewards, and says whether they are sound. */
  private boolean takes(Environment.@Nullable Observation seen, int calledNow) {
    if (seen == null) {
      return fails(OUT_OF_TURN, "it answered null");
    }
    if (seen.failedCalls() < 0 || seen.failedCalls() > calledNow) {
      return fails(
          OUT_OF_TURN, seen.failedCalls() + " of " + calledNow + " calls failed, as it says");
    }
    if (seen.reward().isPresent() && !Double.isFinite(seen.reward().getAsDouble())) {
      return fails("not a finite number", "the reward is " + seen.reward().getAsDouble());
    }
    for (Map.Entry<String, Double> part : seen.parts().entrySet()) {
      if (!Double.isFinite(part.getValue())) {
        return fails("not a finite number", part.getKey() + " is " + part.getValue());
      }
    }
    failedCalls += seen.failedCalls();
    seen.reward()
        .ifPresent(
            value -> {
              rewarded = true;
              reward += value;
            });
    seen.parts().forEach((name, value) -> parts.merge(name, value, Double::sum));
    return true;
  }

  /** One tool's message per call, in their order, and turns of the user's behind them. */
  private Optional<List<ChatMessage>> inTurn(List<ChatMessage> messages) {
    List<ToolCall> made = turns == 0 ? List.of() : action.calls();
    List<ChatMessage> whole = new ArrayList<>();
    for (int i = 0; i < messages.size(); i++) {
      ChatMessage message = messages.get(i);
      String expected = i < made.size() ? "tool" : "user";
      if (!message.role().equals(expected)) {
        fails(
            OUT_OF_TURN,
            "message "
                + (i + 1)
                + " is of role "
                + message.role()
                + ", expected "
                + expected
                + " after "
                + made.size()
                + " calls");
        return Optional.empty();
      }
      if (i < made.size()) {
        Object answers = message.fields().get("tool_call_id");
        if (answers != null && !answers.equals(made.get(i).id())) {
          fails(
              OUT_OF_TURN,
              "message " + (i + 1) + " answers call " + answers + ", expected " + made.get(i).id());
          return Optional.empty();
        }
        whole.add(Between.tool(message.content(), made.get(i)));
      } else {
        whole.add(message);
      }
    }
    if (messages.size() < Math.max(1, made.size())) {
      fails(
          OUT_OF_TURN,
          messages.size()
              + " messages for "
              + made.size()
              + " calls, expected one of role tool for each, in their order");
      return Optional.empty();
    }
    return Optional.of(whole);
  }

  /** Reads on, or ends where that does not fit. */
  void reads(TokenIds suffix, int maxObserved, int mostSampled, int context) {
    int observed = observedAtFirst + response.size() - length;
    if (observed + suffix.size() > maxObserved
        || prompt.size() + response.size() + suffix.size() >= context) {
      end = Episode.End.OBSERVATION;
    } else if (left(mostSampled) <= 0) {
      end = Episode.End.TOKENS;
    } else {
      response = response.concat(suffix);
    }
  }

  /** The last token sampled; −1 where the turn had none. */
  int last() {
    return length == 0 ? -1 : response.get(sampled[length - 1]);
  }

  FinishReason finish() {
    return finish;
  }

  /** Whether the environment is to judge what its bounds ended. */
  boolean cut() {
    return end == Episode.End.TURNS || end == Episode.End.TOKENS || end == Episode.End.OBSERVATION;
  }

  /** What was begun in a turn cut short. */
  String unfinished() {
    return end == Episode.End.TOKENS && finish == FinishReason.LENGTH ? text : "";
  }

  boolean fails(String reason, String detail) {
    if (failure == null) {
      failure = new Episode.Failure(reason, detail);
      end = Episode.End.FAILED;
    }
    return false;
  }

  /** As an answer to the prompt. */
  Rollout rollout(Function<TokenIds, String> decode) {
    Episode.End how = end;
    if (how == null) {
      throw new IllegalStateException("the episode has not ended");
    }
    Episode episode =
        new Episode(
            new TokenIds(Arrays.copyOf(sampled, length)),
            turns,
            calls,
            failedCalls,
            decode.apply(response),
            rewarded ? OptionalDouble.of(reward) : OptionalDouble.empty(),
            parts,
            how,
            Optional.ofNullable(failure));
    Prompt answered =
        prompt.equals(asked.tokens())
            ? asked
            : new Prompt(
                asked.id(),
                decode.apply(prompt),
                prompt,
                asked.answer(),
                asked.metadata(),
                asked.variables());
    return new Rollout(
        answered,
        response,
        text,
        new Floats(Arrays.copyOf(logprobs, length)),
        cut() ? FinishReason.LENGTH : finish,
        version,
        Optional.of(episode));
  }
}
