package dev.troupe.rlhf.environment;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EnvironmentFactory;
import dev.troupe.rlhf.port.EpisodeException;
import dev.troupe.rlhf.port.Sampler;
import dev.troupe.rlhf.port.Text;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Answers prompts by episodes of several turns in environments. All episodes under way are sampled
 * together, turn by turn; what the policy said goes back to it as the tokens that it sampled, and
 * what it read between as tokens that count in no loss. An episode whose environment fails has its
 * failure in place of a score.
 */
public final class Episodes implements Sampler, AutoCloseable {
  static final String THREW = "the environment threw";

  private final Sampler policy;
  private final Text text;
  private final EnvironmentFactory factory;
  private final EpisodesConfig bounds;
  private final TurnReader reader;
  private final Function<Map<String, @Nullable Object>, Between> between;
  private final Calls calls;
  private final Consumer<String> notices;

  /**
   * @param section of the configuration, for messages
   * @param factory ended with this
   * @param between writes what stands between turns, with what a prompt gives the template
   * @param notices hears what a person should know
   */
  Episodes(
      String section,
      Sampler policy,
      Text text,
      EnvironmentFactory factory,
      EpisodesConfig bounds,
      TurnReader reader,
      Function<Map<String, @Nullable Object>, Between> between,
      Consumer<String> notices) {
    this.policy = policy;
    this.text = text;
    this.factory = factory;
    this.bounds = bounds;
    this.reader = reader;
    this.between = between;
    this.notices = notices;
    this.calls = new Calls(section);
  }

  /**
   * An episode per answer. Its random numbers depend on the seed, the prompt, its own number and
   * the turn.
   *
   * @param settings of each turn; the most new tokens are those of all its turns together
   */
  @Override
  public CompletionStage<List<List<Rollout>>> sample(
      List<Prompt> prompts, int answers, SamplingSettings settings) {
    return CompletableFuture.supplyAsync(() -> play(prompts, answers, settings), calls::execute);
  }

  private List<List<Rollout>> play(List<Prompt> prompts, int answers, SamplingSettings settings) {
    List<List<Play>> groups = new ArrayList<>();
    for (Prompt prompt : prompts) {
      List<Play> group = new ArrayList<>();
      for (int answer = 0; answer < answers; answer++) {
        group.add(new Play(prompt, answer, world(prompt, answer, settings.seed())));
      }
      groups.add(group);
    }
    Deque<List<Play>> waiting = new ArrayDeque<>(groups);
    List<Play> live = new ArrayList<>();
    List<CompletableFuture<Void>> closing = new ArrayList<>();
    List<Play> begun = new ArrayList<>();
    try {
      while (!waiting.isEmpty() || !live.isEmpty()) {
        List<List<Play>> fresh = new ArrayList<>();
        while (!waiting.isEmpty()
            && ((live.isEmpty() && fresh.isEmpty())
                || live.size() + (fresh.size() + 1) * answers <= bounds.concurrent())) {
          fresh.add(waiting.remove());
        }
        if (!fresh.isEmpty()) {
          closed(closing); // so that these find their places free
          closing.clear();
        }
        fresh.forEach(begun::addAll);
        begin(fresh);
        speak(live, fresh, answers, settings);
        fresh.forEach(live::addAll);
        listen(live.stream().filter(play -> !play.over()).toList(), settings.maxNewTokens());
        judge(live.stream().filter(Play::cut).toList());
        for (Play play : List.copyOf(live)) {
          if (play.over()) {
            live.remove(play);
            begun.remove(play);
            closing.add(play.world().close());
          }
        }
      }
    } finally {
      begun.forEach(play -> closing.add(play.world().close()));
      closed(closing);
    }
    return groups.stream()
        .map(group -> group.stream().map(play -> play.rollout(text::decode)).toList())
        .toList();
  }

  private World world(Prompt prompt, int answer, long seed) {
    long luck = new SplittableRandom(seed + hash(prompt.id())).nextLong() >>> 1;
    String name = Long.toHexString(seed) + "/" + prompt.id() + "/" + (answer + 1);
    return new World(calls, factory, new Environment.Task(prompt, name, luck), bounds);
  }

  /** FNV-1a, 64 bits. */
  private static long hash(String id) {
    long hash = 0xcbf29ce484222325L;
    for (int i = 0; i < id.length(); i++) {
      hash = (hash ^ id.charAt(i)) * 0x100000001b3L;
    }
    return hash;
  }

  private void begin(List<List<Play>> fresh) {
    if (!fresh.isEmpty()) {
      calls.check(bounds.timeLimitSeconds());
    }
    Map<Play, CompletableFuture<Environment.@Nullable Observation>> begins = new LinkedHashMap<>();
    fresh.stream().flatMap(List::stream).forEach(it -> begins.put(it, it.world().begin()));
    each(
        begins,
        (play, seen) -> {
          List<ChatMessage> messages = play.looks(seen);
          if (!messages.isEmpty()) {
            play.begins(
                between(play).before(play.asked().tokens(), messages),
                bounds.maxObservationTokens(),
                text.steadyContext());
          }
        });
  }

  /**
   * One batch per turn; answers to one prompt share its prefill where nothing was shown to them.
   * Whether it was the same that others were shown must not matter: random numbers follow from a
   * prompt's id.
   */
  private void speak(
      List<Play> live, List<List<Play>> fresh, int answers, SamplingSettings settings) {
    List<List<Play>> alike = new ArrayList<>();
    List<Play> apart = new ArrayList<>(live);
    for (List<Play> group : fresh) {
      List<Play> sound = group.stream().filter(play -> !play.over()).toList();
      if (!sound.stream().allMatch(Play::shown)) {
        alike.add(group);
      }
      sound.stream().filter(Play::shown).forEach(apart::add);
    }
    int most = settings.maxNewTokens();
    int longest = apart.stream().mapToInt(play -> play.left(most)).max().orElse(0);
    Optional<CompletionStage<List<List<Rollout>>>> firsts =
        alike.isEmpty()
            ? Optional.empty()
            : Optional.of(
                policy.sample(alike.stream().map(Episodes::opening).toList(), answers, settings));
    Optional<CompletionStage<List<Rollout>>> others =
        apart.isEmpty()
            ? Optional.empty()
            : Optional.of(
                policy.generate(
                    apart.stream().map(Play::history).toList(),
                    settings.withMaxNewTokens(longest)));
    if (firsts.isPresent()) {
      List<List<Rollout>> turns = firsts.get().toCompletableFuture().join();
      for (int g = 0; g < alike.size(); g++) {
        for (int i = 0; i < answers; i++) {
          Play play = alike.get(g).get(i);
          if (!play.over() && !play.shown()) {
            play.says(turns.get(g).get(i), most, reader, text::decode);
          }
        }
      }
    }
    if (others.isPresent()) {
      List<Rollout> turns = others.get().toCompletableFuture().join();
      for (int i = 0; i < apart.size(); i++) {
        apart.get(i).says(turns.get(i), most, reader, text::decode);
      }
    }
  }

  private Between between(Play play) {
    return between.apply(play.variables());
  }

  private static Prompt opening(List<Play> group) {
    return group.get(0).asked();
  }

  private void listen(List<Play> speakers, int most) {
    Map<Play, CompletableFuture<Environment.@Nullable Observation>> steps = new LinkedHashMap<>();
    speakers.forEach(play -> steps.put(play, play.world().step(play.action())));
    each(
        steps,
        (play, seen) ->
            play.sees(seen, bounds.maxTurns())
                .ifPresent(
                    messages ->
                        play.reads(
                            between(play)
                                .after(play.action().calls(), messages, play.last(), play.finish()),
                            bounds.maxObservationTokens(),
                            most,
                            text.steadyContext())));
  }

  private void judge(List<Play> cut) {
    Map<Play, CompletableFuture<Environment.@Nullable Observation>> judgements =
        new LinkedHashMap<>();
    cut.forEach(play -> judgements.put(play, play.world().cut(play.unfinished())));
    each(judgements, Play::judged);
  }

  /** Waits for all; what fails is the failure of that episode alone. */
  private static void each(
      Map<Play, CompletableFuture<Environment.@Nullable Observation>> asked,
      BiConsumer<Play, Environment.@Nullable Observation> then) {
    Optional<EnvironmentException> ends = Optional.empty();
    for (Map.Entry<Play, CompletableFuture<Environment.@Nullable Observation>> entry :
        asked.entrySet()) {
      Play play = entry.getKey();
      try {
        then.accept(play, entry.getValue().join());
      } catch (EnvironmentException e) {
        ends = ends.or(() -> Optional.of(e));
      } catch (CompletionException e) {
        Throwable cause = e.getCause() == null ? e : e.getCause();
        if (cause instanceof EnvironmentException fatal) {
          ends = ends.or(() -> Optional.of(fatal));
        } else if (cause instanceof EpisodeException failed) {
          play.fails(failed.reason(), String.valueOf(failed.getMessage()));
        } else if (cause instanceof VirtualMachineError error
            && !(cause instanceof StackOverflowError)) {
          throw error;
        } else {
          play.fails(THREW, cause.toString());
        }
      } catch (RuntimeException e) {
        play.fails("the chat template cannot write what the environment says", e.toString());
      }
    }
    ends.ifPresent(
        fatal -> {
          throw fatal;
        });
  }

  private void closed(List<CompletableFuture<Void>> closing) {
    for (CompletableFuture<Void> one : closing) {
      try {
        one.get((long) (bounds.timeLimitSeconds() * 1e9), TimeUnit.NANOSECONDS);
      } catch (TimeoutException e) {
        notices.accept(
            "closing an environment takes longer than time-limit-seconds ("
                + bounds.timeLimitSeconds()
                + ")");
        return;
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      } catch (java.util.concurrent.ExecutionException e) {
        notices.accept("closing an environment failed: " + e.getCause());
      }
    }
  }

  /** Ends the factory and all threads. */
  @Override
  public void close() {
    calls.close();
    factory.close();
  }
}
