package dev.troupe.rlhf.environment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Episode;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.Environment.Action;
import dev.troupe.rlhf.port.Environment.Observation;
import dev.troupe.rlhf.port.Environment.ToolCall;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EnvironmentFactory;
import dev.troupe.rlhf.port.EpisodeException;
import dev.troupe.rlhf.port.Sampler;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class EpisodesTest {
  private static final Letters TEXT = new Letters(true, 1000);
  private static final SamplingSettings SETTINGS = new SamplingSettings(40, 1, 0, 1, List.of(), 7);

  /** What the policy says, by the prompt's id, and what it was asked. */
  private final List<Prompt> asked = Collections.synchronizedList(new ArrayList<>());

  private final List<SamplingSettings> settings = Collections.synchronizedList(new ArrayList<>());
  private final List<String> notices = Collections.synchronizedList(new ArrayList<>());
  private final AtomicInteger opened = new AtomicInteger();
  private final AtomicInteger closed = new AtomicInteger();
  private final AtomicBoolean interruptedAtClose = new AtomicBoolean();
  private final CountDownLatch released = new CountDownLatch(1);
  private EpisodesConfig bounds = new EpisodesConfig(4, 60, 64, 20, 60, Optional.empty());
  private TurnReader reader = EpisodesTest::read;

  @AfterEach
  void everyEnvironmentIsClosed() {
    released.countDown();
    assertThat(closed).hasValue(opened.get());
  }

  /** Says what it is told to, by the number of turns that the history has. */
  private Sampler policy(BiFunction<Prompt, Integer, String> says) {
    return new Sampler() {
      @Override
      public CompletionStage<List<List<Rollout>>> sample(
          List<Prompt> prompts, int answers, SamplingSettings given) {
        asked.addAll(prompts);
        settings.add(given);
        return CompletableFuture.completedFuture(
            prompts.stream()
                .map(
                    prompt -> {
                      List<Rollout> group = new ArrayList<>();
                      for (int i = 0; i < answers; i++) {
                        group.add(turn(prompt, says.apply(prompt, i), given.maxNewTokens()));
                      }
                      return group;
                    })
                .toList());
      }
    };
  }

  private static Rollout turn(Prompt prompt, String said, int most) {
    TokenIds tokens = TEXT.encode(said);
    FinishReason finish =
        said.endsWith("$") || said.endsWith("~") ? FinishReason.EOS : FinishReason.STOP;
    if (tokens.size() > most) {
      tokens = new TokenIds(Arrays.copyOf(tokens.values(), most));
      finish = FinishReason.LENGTH;
    }
    float[] logprobs = new float[tokens.size()];
    for (int i = 0; i < logprobs.length; i++) {
      logprobs[i] = -tokens.get(i) / 100f; // a token's own, so that a slip is seen
    }
    return new Rollout(prompt, tokens, TEXT.decode(tokens), new Floats(logprobs), finish, 3);
  }

  /** Calls are single capital letters. */
  private static TurnReader.Turn read(TokenIds history, TokenIds turn) {
    String said = TEXT.decode(turn);
    List<ToolCall> calls =
        said.chars()
            .filter(Character::isUpperCase)
            .mapToObj(letter -> new ToolCall("", "tool" + (char) letter, Map.of()))
            .toList();
    String text = said.replaceAll("[A-Z?]", "");
    return new TurnReader.Turn(new Action(text, calls), text, said.contains("?") ? 1 : 0);
  }

  private interface Steps {
    Observation step(int number, Action action) throws Exception;
  }

  private EnvironmentFactory environment(Steps steps) {
    return environment(Observation.none(), steps);
  }

  private EnvironmentFactory environment(Observation first, Steps steps) {
    return environment(task -> first, steps);
  }

  private EnvironmentFactory environment(
      Function<Environment.Task, Observation> first, Steps steps) {
    return new EnvironmentFactory() {
      @Override
      public String name() {
        return "test";
      }

      @Override
      public Environment create(Environment.Task task) {
        opened.incrementAndGet();
        return new Environment() {
          private int number;

          @Override
          public Observation reset() throws Exception {
            return first.apply(task);
          }

          @Override
          public Observation step(Action action) throws Exception {
            return steps.step(++number, action);
          }

          @Override
          public Observation cut(String unfinished) {
            return unfinished.isEmpty()
                ? Observation.none()
                : new Observation(List.of(), OptionalDouble.of(-2), true, Map.of());
          }

          @Override
          public void close() {
            if (Thread.currentThread().isInterrupted()) {
              interruptedAtClose.set(true);
            }
            closed.incrementAndGet();
          }
        };
      }
    };
  }

  private List<List<Rollout>> play(
      Sampler policy, EnvironmentFactory factory, int answers, String... prompts) {
    List<Prompt> all =
        Arrays.stream(prompts)
            .map(it -> new Prompt(it, it, TEXT.encode("user:" + it + "$\nbot:")))
            .toList();
    return play(policy, factory, answers, all);
  }

  private List<List<Rollout>> play(
      Sampler policy, EnvironmentFactory factory, int answers, List<Prompt> all) {
    try (Episodes episodes =
        new Episodes(
            "grpo.environment",
            policy,
            TEXT,
            factory,
            bounds,
            reader,
            variables -> new Between(TEXT, List.of(), variables),
            notices::add)) {
      return dev.troupe.rlhf.recipe.Await.on(episodes.sample(all, answers, SETTINGS));
    }
  }

  private Rollout one(Sampler policy, EnvironmentFactory factory) {
    return play(policy, factory, 1, "p").get(0).get(0);
  }

  private static Observation tool(String... answers) {
    return new Observation(
        Arrays.stream(answers).map(it -> new ChatMessage("tool", it)).toList(),
        OptionalDouble.empty(),
        false,
        Map.of());
  }

  private static Observation user(String said) {
    return new Observation(
        List.of(new ChatMessage("user", said)), OptionalDouble.of(0.25), false, Map.of("n", 1.0));
  }

  private static Observation done(double reward) {
    return new Observation(List.of(), OptionalDouble.of(reward), true, Map.of("n", 2.0));
  }

  /** Such as whether to think: what a prompt gives the template it is given in each turn. */
  @Test
  void variablesOfAPrompt_areGivenToTheTemplateInEachTurn() {
    Map<String, Object> variables = Map.of("opening", "!");
    Prompt open =
        new Prompt("o", "o", TEXT.encode("user:o$\nbot:!"), Optional.empty(), Map.of(), variables);
    Prompt plain = new Prompt("p", "p", TEXT.encode("user:p$\nbot:"));
    List<List<Rollout>> played =
        play(
            policy((prompt, i) -> prompt.id().length() == 1 ? "aB$" : "so 5$"),
            environment((number, action) -> number == 1 ? tool("5") : done(1)),
            1,
            List.of(open, plain));
    assertThat(TEXT.pieces(played.get(0).get(0).response()))
        .isEqualTo(TEXT.pieces(TEXT.encode("aB$\ntool:5$\nbot:!so 5$")));
    assertThat(TEXT.pieces(played.get(1).get(0).response()))
        .isEqualTo(TEXT.pieces(TEXT.encode("aB$\ntool:5$\nbot:so 5$")));
    assertThat(asked).allMatch(prompt -> prompt.variables().isEmpty());
  }

  @Test
  void sample_callAndAnswer_tokensAreTheSampledAndTheTemplatesBetween() {
    Rollout rollout =
        one(
            policy((prompt, i) -> prompt.id().equals("p") ? "aB$" : "so 5$"),
            environment(
                (number, action) -> number == 1 ? tool("5") : done(action.text().length())));

    assertThat(TEXT.pieces(rollout.response()))
        .isEqualTo(TEXT.pieces(TEXT.encode("aB$\ntool:5$\nbot:so 5$")));
    assertThat(TEXT.pieces(rollout.sampled())).isEqualTo(TEXT.pieces(TEXT.encode("aB$so 5$")));
    assertThat(rollout.logprobs())
        .isEqualTo(Floats.of(-.97f, -.66f, -.36f, -1.15f, -1.11f, -.32f, -.53f, -.36f));
    assertThat(rollout.text()).isEqualTo("so 5");
    assertThat(rollout.transcript()).isEqualTo("aB\ntool:5\nbot:so 5");
    assertThat(rollout.finish()).isEqualTo(FinishReason.EOS);
    assertThat(rollout.adapterVersion()).isEqualTo(3);
    Episode episode = rollout.episode().orElseThrow();
    assertThat(episode.sampled()).isEqualTo(TokenIds.of(0, 1, 2, 16, 17, 18, 19, 20));
    assertThat(episode.turns()).isEqualTo(2);
    assertThat(episode.calls()).isEqualTo(1);
    assertThat(episode.reward()).hasValue(4);
    assertThat(episode.parts()).containsExactly(Map.entry("n", 2.0));
    assertThat(episode.end()).isEqualTo(Episode.End.DONE);
    // What the policy read is the tokens themselves, under an id of the answer and the turn.
    assertThat(asked.stream().map(Prompt::id)).containsExactly("p", "p/1.2");
    assertThat(asked.get(1).tokens()).isEqualTo(TEXT.encode("user:p$\nbot:aB$\ntool:5$\nbot:"));
    assertThat(settings.get(1).maxNewTokens()).isEqualTo(40 - 3);
  }

  @Test
  void sample_group_sharesTheFirstTurnAndHasEpisodesOfItsOwn() {
    List<List<Rollout>> groups =
        play(
            policy(
                (prompt, i) -> prompt.id().contains("/") ? "b" + prompt.id() + "$" : "A" + i + "$"),
            environment((number, action) -> number == 1 ? tool("x") : done(1)),
            3,
            "p",
            "q");

    assertThat(asked.subList(0, 2).stream().map(Prompt::id)).containsExactly("p", "q");
    assertThat(asked.subList(2, 8).stream().map(Prompt::id))
        .containsExactly("p/1.2", "p/2.2", "p/3.2", "q/1.2", "q/2.2", "q/3.2");
    assertThat(groups).hasSize(2).allSatisfy(group -> assertThat(group).hasSize(3));
    assertThat(groups.get(1).get(2).transcript()).isEqualTo("A2\ntool:x\nbot:bq/3.2");
    assertThat(settings).hasSize(2); // one batch per turn
  }

  @Test
  void sample_fewAtATime_givesTheSame() {
    Sampler policy =
        policy((prompt, i) -> prompt.id().contains("/") ? "b" + prompt.id() + "$" : "A" + i + "$");
    Steps steps = (number, action) -> number == 1 ? tool("x") : done(1);
    List<List<Rollout>> all = play(policy, environment(steps), 2, "p", "q", "r");
    bounds = new EpisodesConfig(4, 60, 2, 20, 60, Optional.empty());
    AtomicInteger most = new AtomicInteger();
    List<List<Rollout>> few =
        play(
            policy,
            environment(
                (number, action) -> {
                  most.accumulateAndGet(opened.get() - closed.get(), Math::max);
                  return steps.step(number, action);
                }),
            2,
            "p",
            "q",
            "r");

    assertThat(few).isEqualTo(all);
    assertThat(most).hasValue(2);
  }

  @Test
  void sample_firstObservation_isPartOfThePrompt() {
    Rollout rollout =
        one(policy((prompt, i) -> "7$"), environment(user("guess"), (number, action) -> done(1)));

    assertThat(rollout.prompt().tokens()).isEqualTo(TEXT.encode("user:p$\nuser:guess$\nbot:"));
    assertThat(rollout.prompt().id()).isEqualTo("p");
    assertThat(rollout.response()).isEqualTo(TEXT.encode("7$"));
    assertThat(rollout.episode().orElseThrow().reward()).hasValue(1.25);
  }

  /** Shows it to the first prompt's, and lets all be done. */
  private EnvironmentFactory showing(int letters) {
    return environment(
        task -> task.prompt().id().equals("p") ? user("x".repeat(letters)) : Observation.none(),
        (number, action) -> done(1));
  }

  /** As the prompt's end {@code bot:} moves, {@code user:x…$\n} are 7 tokens and those letters. */
  @Test
  void sample_firstObservationTooLong_thatEpisodeAloneFails() {
    fails(
        showing(54),
        Play.BEGINNING_TOO_LONG,
        "61 tokens, max-observation-tokens allows 60 in the whole episode");
    bounds = new EpisodesConfig(4, 2000, 64, 20, 60, Optional.empty());
    fails(
        showing(1000),
        Play.BEGINNING_TOO_LONG,
        "1019 tokens with the prompt, the model's context is 1000");
    assertThat(asked.stream().map(Prompt::id)).containsOnly("q");
  }

  @Test
  void sample_firstObservation_countsAsObserved() {
    Rollout rollout =
        one(
            policy((prompt, i) -> "a$"),
            environment(user("x".repeat(33)), (number, action) -> user("on")));

    // 40 tokens of 60 at first, and 12 by each turn: \n user:on$\n bot: .. one fits, not two.
    Episode episode = rollout.episode().orElseThrow();
    assertThat(episode.end()).isEqualTo(Episode.End.OBSERVATION);
    assertThat(episode.turns()).isEqualTo(2);
  }

  /** Else an answer would depend on what others to its prompt were shown. */
  @Test
  void sample_shownSomething_hasLuckOfItsOwnAmongAnyMates() {
    Sampler policy = policy((prompt, i) -> "a" + prompt.id() + "/" + i + "$");
    Steps steps = (number, action) -> done(1);
    Rollout same = play(policy, environment(user("x"), steps), 2, "p").get(0).get(1);
    assertThat(asked.stream().map(Prompt::id)).containsExactly("p/1.1", "p/2.1");
    Function<Environment.Task, Observation> differing =
        task -> user(task.episode().endsWith("/1") ? "y" : "x");
    assertThat(play(policy, environment(differing, steps), 2, "p").get(0).get(1)).isEqualTo(same);
    asked.clear();
    Function<Environment.Task, Observation> some =
        task -> task.episode().endsWith("/1") ? Observation.none() : user("x");
    List<Rollout> mixed = play(policy, environment(some, steps), 2, "p").get(0);
    assertThat(mixed.get(0).text()).isEqualTo("ap/0");
    assertThat(mixed.get(1)).isEqualTo(same);
  }

  /** Mistral's templates refuse other ids. */
  @Test
  void sample_idsOfCalls_areOfNineLettersAndDigits() {
    List<String> seen = new ArrayList<>();
    reader =
        (history, turn) ->
            new TurnReader.Turn(
                new Action(
                    "",
                    List.of(
                        new ToolCall("call_abc-1", "a", Map.of()),
                        new ToolCall("abcDEF123", "b", Map.of()))),
                "thought and all",
                0);
    Rollout rollout =
        one(
            policy((prompt, i) -> "AB$"),
            environment(
                (number, action) -> {
                  action.calls().forEach(call -> seen.add(call.id()));
                  return done(1);
                }));

    assertThat(seen).containsExactly("call00001", "abcDEF123");
    assertThat(rollout.text()).isEqualTo("thought and all");
  }

  @Test
  void sample_severalCalls_answersInTheirOrderAndUsersBehind() {
    Rollout rollout =
        one(
            policy((prompt, i) -> prompt.id().equals("p") ? "AB?$" : "ok~"),
            environment(
                (number, action) ->
                    number == 1
                        ? new Observation(
                            List.of(
                                new ChatMessage("tool", "1"),
                                new ChatMessage("tool", "2", Map.of("tool_call_id", "call00002")),
                                new ChatMessage("user", "go")),
                            OptionalDouble.empty(),
                            false,
                            Map.of(),
                            1)
                        : Observation.none()));

    assertThat(rollout.transcript()).isEqualTo("AB?\ntool:1\ntool:2\nuser:go\nbot:ok~");
    Episode episode = rollout.episode().orElseThrow();
    assertThat(episode.calls()).isEqualTo(3); // one of them begun and none
    assertThat(episode.failedCalls()).isEqualTo(2);
    assertThat(episode.reward()).isEmpty();
    assertThat(episode.end()).isEqualTo(Episode.End.DONE);
  }

  @Test
  void sample_stopString_endTokenIsReadNotSampled() {
    Rollout rollout =
        one(
            policy((prompt, i) -> prompt.id().equals("p") ? "A." : "ok$"),
            environment((number, action) -> number == 1 ? tool("1") : done(1)));

    assertThat(TEXT.pieces(rollout.response()))
        .isEqualTo(TEXT.pieces(TEXT.encode("A.$\ntool:1$\nbot:ok$")));
    assertThat(rollout.sampled()).isEqualTo(TEXT.encode("A.ok$"));
  }

  @Test
  void sample_neverEnds_endsAtItsTurns() {
    Rollout rollout = one(policy((prompt, i) -> "a$"), environment((number, action) -> user("on")));

    Episode episode = rollout.episode().orElseThrow();
    assertThat(episode.end()).isEqualTo(Episode.End.TURNS);
    assertThat(episode.turns()).isEqualTo(4);
    assertThat(episode.reward()).hasValue(1); // of four steps
    assertThat(rollout.finish()).isEqualTo(FinishReason.LENGTH);
    assertThat(rollout.transcript()).endsWith("bot:a");
  }

  @Test
  void sample_tokensRunOut_isCutAndJudged() {
    Rollout rollout =
        one(
            policy((prompt, i) -> "aaaaaaaaaaaaaaaaaaaaaaaaa$"),
            environment((number, action) -> user("on")));

    Episode episode = rollout.episode().orElseThrow();
    assertThat(episode.end()).isEqualTo(Episode.End.TOKENS);
    assertThat(rollout.length()).isEqualTo(40);
    assertThat(rollout.text()).isEqualTo("a".repeat(14));
    assertThat(episode.reward()).hasValue(0.25 - 2);
    assertThat(rollout.finish()).isEqualTo(FinishReason.LENGTH);
  }

  @Test
  void sample_observationTooLong_isNotReadAndEndsIt() {
    Rollout rollout =
        one(
            policy((prompt, i) -> "a$"),
            environment((number, action) -> user(number == 1 ? "on" : "x".repeat(50))));

    Episode episode = rollout.episode().orElseThrow();
    assertThat(episode.end()).isEqualTo(Episode.End.OBSERVATION);
    assertThat(rollout.transcript()).isEqualTo("a\nuser:on\nbot:a");
    assertThat(rollout.finish()).isEqualTo(FinishReason.LENGTH);
  }

  private void fails(EnvironmentFactory factory, String reason, String detail) {
    List<List<Rollout>> groups =
        play(
            policy((prompt, i) -> prompt.id().startsWith("q") ? "q$" : "A$"), factory, 1, "p", "q");
    Episode failed = groups.get(0).get(0).episode().orElseThrow();
    assertThat(failed.end()).isEqualTo(Episode.End.FAILED);
    assertThat(failed.failure().orElseThrow().reason()).isEqualTo(reason);
    assertThat(failed.failure().orElseThrow().detail()).contains(detail);
    // The other goes on as if nothing had happened.
    Episode sound = groups.get(1).get(0).episode().orElseThrow();
    assertThat(sound.failure()).isEmpty();
    assertThat(sound.reward()).hasValue(1);
  }

  /** Does something to those that call, and lets the others be done. */
  private EnvironmentFactory wronging(Steps wrong) {
    return environment(
        (number, action) -> action.calls().isEmpty() ? done(1) : wrong.step(number, action));
  }

  @Test
  void sample_throws_thatEpisodeAloneFails() {
    fails(
        wronging(
            (number, action) -> {
              throw new IllegalStateException("no route");
            }),
        "the environment threw",
        "no route");
    fails(
        wronging(
            (number, action) -> {
              throw new EpisodeException("judge failed", "no reply");
            }),
        "judge failed",
        "no reply");
    fails(
        wronging(
            (number, action) -> {
              throw new StackOverflowError();
            }),
        "the environment threw",
        "StackOverflow");
  }

  @Test
  void sample_brokenForGood_endsTheRun() {
    assertThatThrownBy(
            () ->
                play(
                    policy((prompt, i) -> "A$"),
                    wronging(
                        (number, action) -> {
                          throw new EnvironmentException("the service is gone");
                        }),
                    2,
                    "p",
                    "q"))
        .isInstanceOf(EnvironmentException.class)
        .hasMessage("the service is gone");
  }

  @Test
  void sample_outOfTurn_isSaid() {
    String reason = "the environment answered out of turn";
    fails(wronging((number, action) -> Observation.none()), reason, "0 messages for 1 calls");
    fails(wronging((number, action) -> user("on")), reason, "of role user, expected tool");
    fails(wronging((number, action) -> tool("1", "2")), reason, "message 2 is of role tool");
    fails(
        wronging(
            (number, action) ->
                new Observation(
                    List.of(new ChatMessage("tool", "1", Map.of("tool_call_id", "other"))),
                    OptionalDouble.empty(),
                    false,
                    Map.of())),
        reason,
        "answers call other, expected call00001");
    fails(
        wronging(
            (number, action) ->
                new Observation(List.of(), OptionalDouble.empty(), true, Map.of(), 2)),
        reason,
        "2 of 1 calls failed");
    fails(wronging((number, action) -> nothing()), reason, "null");
    fails(
        wronging((number, action) -> done(Double.NaN)), "not a finite number", "the reward is NaN");
  }

  @SuppressWarnings("NullAway") // what a careless user's would
  private static Observation nothing() {
    return null;
  }

  @Test
  void sample_templateRefusesWhatIsSaid_isSaid() {
    fails(
        wronging((number, action) -> tool("{{")),
        "the chat template cannot write what the environment says",
        "no braces here");
  }

  @Test
  void sample_hangs_isInterruptedLeftOutAndClosed() throws InterruptedException {
    bounds = new EpisodesConfig(4, 60, 64, 0.2, 60, Optional.empty());
    CountDownLatch interrupted = new CountDownLatch(1);
    fails(
        wronging(
            (number, action) -> {
              try {
                released.await();
              } catch (InterruptedException e) {
                interrupted.countDown();
              }
              return Observation.none();
            }),
        World.TOO_LONG,
        "a step of 7/p/1 took longer than time-limit-seconds (0.2)");
    assertThat(interrupted.await(20, TimeUnit.SECONDS)).isTrue();
    // It is closed by its own thread, when the call has ended.
    while (closed.get() < opened.get()) {
      Thread.onSpinWait();
    }
  }

  @Test
  void sample_hangsAndRestoresItsFlag_isClosedWithoutIt() {
    bounds = new EpisodesConfig(4, 60, 64, 0.2, 60, Optional.empty());
    one(
        policy((prompt, i) -> "a$"),
        environment(
            (number, action) -> {
              try {
                released.await();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
              return Observation.none();
            }));
    while (closed.get() < opened.get()) {
      Thread.onSpinWait();
    }
    assertThat(interruptedAtClose).isFalse();
  }

  @Test
  void sample_closingFails_isToldAndNothingElse() {
    EnvironmentFactory sound = environment((number, action) -> done(1));
    EnvironmentFactory factory =
        new EnvironmentFactory() {
          @Override
          public String name() {
            return "test";
          }

          @Override
          public Environment create(Environment.Task task) throws Exception {
            Environment made = sound.create(task);
            return new Environment() {
              @Override
              public Observation reset() throws Exception {
                return made.reset();
              }

              @Override
              public Observation step(Action action) throws Exception {
                return made.step(action);
              }

              @Override
              public void close() {
                made.close();
                throw new IllegalStateException("still open");
              }
            };
          }
        };

    assertThat(one(policy((prompt, i) -> "a$"), factory).episode().orElseThrow().reward())
        .hasValue(1);
    assertThat(notices)
        .containsExactly(
            "closing an environment failed: java.lang.IllegalStateException: still open");
  }

  @Test
  void task_hasTheLuckOfItsPromptAndRound() {
    List<Environment.Task> tasks = Collections.synchronizedList(new ArrayList<>());
    EnvironmentFactory sound = environment((number, action) -> done(1));
    EnvironmentFactory factory =
        new EnvironmentFactory() {
          @Override
          public String name() {
            return "test";
          }

          @Override
          public Environment create(Environment.Task task) throws Exception {
            tasks.add(task);
            return sound.create(task);
          }
        };
    play(policy((prompt, i) -> "a$"), factory, 2, "p", "q");

    assertThat(tasks.stream().map(Environment.Task::episode))
        .containsExactlyInAnyOrder("7/p/1", "7/p/2", "7/q/1", "7/q/2");
    assertThat(
            tasks.stream()
                .filter(it -> it.prompt().id().equals("p"))
                .map(Environment.Task::seed)
                .distinct())
        .hasSize(1);
    assertThat(tasks.stream().map(Environment.Task::seed).distinct()).hasSize(2);
    assertThat(tasks.get(0).seed()).isNotNegative();
  }
}
