package dev.troupe.rewards;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.rlhf.port.RewardFunction;
import dev.troupe.rlhf.port.Sample;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.port.ScorerException;
import dev.troupe.rlhf.reward.RewardConfig;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class FunctionScorerTest {
  private interface Body {
    List<Score> score(List<Sample> samples) throws Exception;
  }

  private static RewardFunction function(String name, Body body) {
    return new RewardFunction() {
      @Override
      public String name() {
        return name;
      }

      @Override
      public List<Score> score(List<Sample> samples) throws Exception {
        return body.score(samples);
      }
    };
  }

  private static Scorer scorer(int batch, Duration limit, Body body) {
    return new FunctionScorer("grpo.rewards.f", function("f", body), batch, limit);
  }

  private static Scorer scorer(Body body) {
    return scorer(0, Duration.ofSeconds(30), body);
  }

  @Test
  void samplesComeInBatches_andScoresInTheirOrder() {
    ConcurrentLinkedQueue<Integer> sizes = new ConcurrentLinkedQueue<>();
    Scorer scorer =
        scorer(
            2,
            Duration.ofSeconds(30),
            samples -> {
              sizes.add(samples.size());
              return samples.stream()
                  .map(
                      s ->
                          Score.of(
                              s.response().length(),
                              Map.of("answer", s.answer().map(String::length).orElse(0) + 0.0)))
                  .toList();
            });
    assertThat(Answers.scores(scorer, "a", "bb", "ccc", "dddd", "eeeee"))
        .containsExactly(
            Score.of(1, Map.of("answer", 5.0)),
            Score.of(2, Map.of("answer", 5.0)),
            Score.of(3, Map.of("answer", 5.0)),
            Score.of(4, Map.of("answer", 5.0)),
            Score.of(5, Map.of("answer", 5.0)));
    assertThat(sizes).containsExactlyInAnyOrder(2, 2, 1);
    scorer.close();
  }

  @Test
  void whatItThrows_isTheReason_ofItsSamplesAlone() {
    Scorer scorer =
        scorer(
            1,
            Duration.ofSeconds(30),
            samples -> {
              if (samples.get(0).response().equals("bad")) {
                throw new java.io.IOException("no such file");
              }
              return List.of(Score.of(1));
            });
    assertThat(Answers.scores(scorer, "good", "bad"))
        .containsExactly(
            Score.of(1),
            new Score.Unscored("the function threw", "java.io.IOException: no such file"));
    Scorer deep = scorer(samples -> deep(samples, 0));
    assertThat(Answers.scores(deep, "a"))
        .containsExactly(new Score.Unscored("the function threw", "java.lang.StackOverflowError"));
  }

  private static List<Score> deep(List<Sample> samples, int depth) {
    return depth < 0 ? List.of() : deep(samples, depth + 1).subList(0, 0);
  }

  @Test
  void nan_isNoScore_andCounted() {
    assertThat(Answers.scores(scorer(s -> List.of(Score.of(Double.NaN))), "a"))
        .containsExactly(new Score.Unscored("not a finite number", "NaN"));
  }

  @Test
  void tooFewTooManyAndNull_endTheRunByTheScorersName() {
    Map<Body, String> bodies =
        Map.of(
            s -> List.of(Score.of(1)), "grpo.rewards.f gave 1 scores for 2 answers",
            s -> Collections.nCopies(3, Score.of(1)), "grpo.rewards.f gave 3 scores for 2 answers",
            s -> null, "grpo.rewards.f gave null for 2 answers",
            s -> Arrays.asList(Score.of(1), null), "grpo.rewards.f: its score 2 of 2 is null");
    bodies.forEach(
        (body, message) ->
            assertThatThrownBy(() -> Answers.scores(scorer(body), "a", "b"))
                .hasCauseInstanceOf(ScorerException.class)
                .hasMessageContaining(message));
  }

  @Test
  void oneThatHangs_isInterrupted_andItsSamplesLeftOut() throws InterruptedException {
    CountDownLatch interrupted = new CountDownLatch(1);
    Scorer scorer =
        scorer(
            0,
            Duration.ofMillis(50),
            samples -> {
              try {
                new CountDownLatch(1).await();
              } finally {
                interrupted.countDown();
              }
              return List.of();
            });
    assertThat(Answers.scores(scorer, "a", "b"))
        .containsExactly(
            new Score.Unscored(
                "the function took too long",
                "longer than 0.05 s (time-limit-seconds) for 2 samples"),
            new Score.Unscored(
                "the function took too long",
                "longer than 0.05 s (time-limit-seconds) for 2 samples"));
    interrupted.await();
    scorer.close();
  }

  @Test
  void oneThatIgnoresItsInterruption_isNotCalledForEver() {
    Semaphore over = new Semaphore(0);
    AtomicInteger begun = new AtomicInteger();
    Scorer scorer =
        new FunctionScorer(
            "grpo.rewards.f",
            function(
                "f",
                samples -> {
                  begun.incrementAndGet();
                  over.acquireUninterruptibly();
                  return List.of();
                }),
            1,
            Duration.ofMillis(20),
            Duration.ofMillis(20));
    String[] answers = Collections.nCopies(200, "a").toArray(String[]::new);
    assertThatThrownBy(() -> Answers.scores(scorer, answers))
        .hasCauseInstanceOf(ScorerException.class)
        .hasMessageContaining("4 calls of the function took longer than 0.02 s");
    int calls = begun.get();
    assertThat(calls).isBetween(4, FunctionScorer.MOST_CALLS);
    assertThatThrownBy(() -> Answers.scores(scorer, "a")).hasCauseInstanceOf(ScorerException.class);
    assertThat(begun).as("none more").hasValue(calls);
    over.release(answers.length);
    scorer.close();
  }

  /**
   * Slow ones that end when told to are no reason to stop, however many; none waits on its time.
   */
  @Test
  void thoseThatWaitTheirTurn_haveAllTheirTime() {
    AtomicInteger now = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    Scorer scorer =
        scorer(
            1,
            Duration.ofMillis(500),
            samples -> {
              most.accumulateAndGet(now.incrementAndGet(), Math::max);
              try {
                if (samples.get(0).response().equals("slow")) {
                  new CountDownLatch(1).await();
                }
                return List.of(Score.of(1));
              } finally {
                now.decrementAndGet();
              }
            });
    List<String> answers =
        new ArrayList<>(Collections.nCopies(2 * FunctionScorer.MOST_CALLS, "slow"));
    answers.add("soon");
    List<Score> scores = Answers.scores(scorer, answers.toArray(String[]::new));
    assertThat(scores.subList(0, answers.size() - 1)).hasOnlyElementsOfType(Score.Unscored.class);
    assertThat(scores.get(answers.size() - 1)).isEqualTo(Score.of(1));
    assertThat(most.get()).isBetween(1, FunctionScorer.MOST_CALLS);
    scorer.close();
  }

  @Test
  void functions_areFoundByName_onTheClassPathAndAsGiven() {
    RewardConfig.Java config = new RewardConfig.Java(1, "brevity", 0, 5);
    Scorer found = new OutsideScorers(List.of()).make("grpo.rewards.short", config);
    assertThat(Answers.scores(found, "four")).containsExactly(Score.of(-4, Map.of("letters", 4.0)));
    RewardFunction mine = function("mine", s -> List.of(Score.of(7)));
    Scorer given =
        new OutsideScorers(List.of(mine)).make("x", new RewardConfig.Java(1, "mine", 0, 5));
    assertThat(Answers.scores(given, "a")).containsExactly(Score.of(7));
    assertThatThrownBy(
            () ->
                new OutsideScorers(List.of(mine))
                    .make("grpo.rewards.x", new RewardConfig.Java(1, "min", 0, 5)))
        .isInstanceOf(ScorerException.class)
        .hasMessageStartingWith(
            "grpo.rewards.x: there is no function 'min'; there are [brevity, mine]. Name it in"
                + " META-INF/services/dev.troupe.rlhf.port.RewardFunction");
    assertThatThrownBy(
            () -> new OutsideScorers(List.of(function("brevity", s -> null))).make("x", config))
        .hasMessageContaining("2 functions are called 'brevity'");
  }

  /** Found by the service loader. */
  public static final class Brevity implements RewardFunction {
    @Override
    public String name() {
      return "brevity";
    }

    @Override
    public List<Score> score(List<Sample> samples) {
      List<Score> scores = new ArrayList<>();
      for (Sample sample : samples) {
        double letters = sample.response().length();
        scores.add(Score.of(-letters, Map.of("letters", letters)));
      }
      return scores;
    }
  }
}
