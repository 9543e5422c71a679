package dev.troupe.dashboard;

import dev.troupe.protocol.event.EventLog;
import dev.troupe.protocol.event.MembersChanged;
import dev.troupe.protocol.event.MembersChanged.Member;
import dev.troupe.protocol.event.Notice;
import dev.troupe.protocol.event.RoleChanged;
import dev.troupe.protocol.event.RolloutRecorded;
import dev.troupe.protocol.event.RunCompleted;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.protocol.event.RunStarted;
import dev.troupe.protocol.event.StageCompleted;
import dev.troupe.protocol.event.StageStarted;
import dev.troupe.protocol.event.StepCompleted;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;

/**
 * Writes an event file as a run of the quickstart would: an invented but plausible course of SFT,
 * reward model and PPO. The same seed writes the same file.
 */
final class SampleRun implements AutoCloseable {
  /** As the pipeline writes it; the win rate by the oracle was not measured. */
  private static final String SUMMARY =
      """
      {"outcome": "completed", "stages": [
        {"stage": "sft", "seconds": 43.8, "finalLoss": 0.57, "heldOutLossBefore": null, "heldOutLossAfter": 0.61,
         "account": {"issued": 1280, "trained": 1268, "dropped": {"too long": 12}}, "cancelled": false},
        {"stage": "reward", "seconds": 27.4, "finalLoss": 0.08,
         "after": {"accuracy": {"share": 0.969, "low": 0.893, "high": 0.991, "hits": 62, "total": 64}},
         "account": {"issued": 1024, "trained": 1024, "dropped": {}}, "cancelled": false},
        {"stage": "ppo", "seconds": 151.2, "kl": 5.31, "best": {"metric": "score", "value": 2.97, "step": 80},
         "before": {"metrics": {"score": -0.61, "ruleSatisfied": 0.336, "wellFormed": 0.984, "responseLength": null},
           "scores": [1, 2], "replies": [
             {"prompt": "Human: What do you think of tea?\\n\\nAssistant:", "reply": "I do not care."}, {"prompt": "b", "reply": "c"},
             {"prompt": "d", "reply": "e"}, {"prompt": "a fourth", "reply": "too many"}]},
         "after": {"metrics": {"score": 2.97, "ruleSatisfied": 0.961, "wellFormed": 0.984, "responseLength": 21.4},
           "scores": [1, 2], "replies": [
             {"prompt": "Human: What do you think of tea?\\n\\nAssistant:", "reply": "A lovely question! I like tea."}, {"prompt": "b", "reply": "C"},
             {"prompt": "d", "reply": "E"}, {"prompt": "a fourth", "reply": "too many"}]},
         "winRate": {"share": 0.914, "low": 0.853, "high": 0.951, "hits": 117, "total": 128}, "oracleWinRate": null,
         "account": {"issued": 7680, "trained": 7680, "dropped": {}}, "cancelled": false}]}
      """;

  static final int SFT_STEPS = 80;
  static final int REWARD_STEPS = 60;
  static final int PPO_STEPS = 120;

  private static final List<String> SUBJECTS =
      List.of("the weather", "my garden", "a good soup", "the old lighthouse", "chess openings");
  private static final List<String> REPLIES =
      List.of(
          "Gladly! Here is what I know about %s, and I am happy to go on if you like.",
          "What a lovely question. With %s it is best to start small\nand to be patient.",
          "Of course, dear friend: %s rewards those who look twice.",
          "No. I do not care about %s.");

  /** A clock that the run sets, so that a course of minutes can be written at once. */
  private static final class SetClock extends Clock {
    private Instant now;

    SetClock(Instant now) {
      this.now = now;
    }

    void advance(Duration by) {
      now = now.plus(by);
    }

    @Override
    public ZoneId getZone() {
      return ZoneOffset.UTC;
    }

    @Override
    public Clock withZone(ZoneId zone) {
      return this;
    }

    @Override
    public Instant instant() {
      return now;
    }
  }

  private final Random random = new Random(7);
  private final SetClock clock;
  private final EventLog log;

  SampleRun(Path directory, Instant start) {
    clock = new SetClock(start);
    log = EventLog.open(directory.resolve(EventLog.FILE_NAME), clock);
  }

  /** Writes a page's worth of a run: all of SFT and the reward model, PPO up to a step. */
  void writeUntilPpoStep(int ppoSteps) {
    start();
    sft();
    reward();
    startPpo();
    for (int step = 1; step <= ppoSteps; step++) {
      ppo(step);
    }
  }

  void start() {
    append(
        RunEvent.newBuilder()
            .setRunStarted(
                RunStarted.newBuilder()
                    .setRun("quickstart")
                    .addAllStages(List.of("sft", "reward", "ppo"))
                    .setConfiguration("run { name = quickstart, seed = 1 }\nppo.iterations = 120\n")
                    .setProtocolVersion(1)
                    .setTroupeVersion("0.1.0")));
    append(
        RunEvent.newBuilder()
            .setMembersChanged(
                MembersChanged.newBuilder()
                    .addMembers(member("127.0.0.1:25520", true, "coordinator", "policy"))
                    .addMembers(member("127.0.0.1:25521", false, "critic"))
                    .addMembers(member("127.0.0.1:25522", false, "reward", "reference"))));
    role("policy", "127.0.0.1:25520", "idle", "", 0);
  }

  private static Member member(String address, boolean leader, String... roles) {
    return Member.newBuilder()
        .setAddress(address)
        .setStatus("Up")
        .setLeader(leader)
        .addAllRoles(List.of(roles))
        .build();
  }

  void sft() {
    stage("sft", SFT_STEPS);
    for (int step = 1; step <= SFT_STEPS; step++) {
      double done = (double) step / SFT_STEPS;
      clock.advance(Duration.ofMillis(520 + random.nextInt(80)));
      Map<String, Double> metrics =
          Map.of(
              "loss", 0.55 + 2.3 * Math.exp(-4 * done) + noise(0.04),
              "gradientNorm", 0.9 + noise(0.2),
              "learningRate", 1e-3 * (1 - done),
              "tokensPerSecond", 8100 + noise(300));
      step("sft", step, SFT_STEPS, metrics, Map.of("train", 0.52 + noise(0.02)));
    }
    append(
        RunEvent.newBuilder()
            .setNotice(
                Notice.newBuilder()
                    .setSeverity("info")
                    .setStage("sft")
                    .setText(
                        "12 examples were longer than 96 tokens and were cut to that length")));
    stageDone("sft", 43.8, Map.of("loss", 0.57, "heldOutLoss", 0.61, "ruleSatisfied", 0.52));
  }

  void reward() {
    stage("reward", REWARD_STEPS);
    for (int step = 1; step <= REWARD_STEPS; step++) {
      double done = (double) step / REWARD_STEPS;
      clock.advance(Duration.ofMillis(430 + random.nextInt(60)));
      double accuracy = Math.min(1, 0.98 - 0.46 * Math.exp(-5 * done) + noise(0.02));
      Map<String, Double> metrics =
          Map.of(
              "loss", 0.08 + 0.62 * Math.exp(-4 * done) + noise(0.02),
              "accuracy", accuracy,
              "margin", 4.2 * (1 - Math.exp(-4 * done)) + noise(0.2),
              "gradientNorm", 0.7 + noise(0.2),
              "tokensPerSecond", 9300 + noise(350));
      step("reward", step, REWARD_STEPS, metrics, Map.of("train", 0.43 + noise(0.02)));
    }
    stageDone("reward", 27.4, Map.of("accuracy", 0.969, "margin", 4.11));
  }

  void startPpo() {
    stage("ppo", PPO_STEPS);
    role("policy", "127.0.0.1:25520", "busy", "generate 64 prompts", 1);
    role("critic", "127.0.0.1:25521", "idle", "", 1);
    role("reward", "127.0.0.1:25522", "idle", "", 1);
    role("reference", "127.0.0.1:25522", "idle", "", 1);
  }

  /** One PPO iteration with its events, about a second of the run. */
  void ppo(int step) {
    double done = (double) step / PPO_STEPS;
    clock.advance(Duration.ofMillis(1150 + random.nextInt(200)));
    double risen = 1 / (1 + Math.exp(-9 * (done - 0.35)));
    Map<String, Double> metrics =
        Map.of(
            "score", -0.6 + 3.6 * risen + noise(0.25),
            "kl", 0.05 + 5.4 * risen + noise(0.25),
            "klCoefficient", 0.05,
            "policyLoss", -0.02 + noise(0.012),
            "loss", -0.02 + noise(0.012),
            "valueLoss", 0.11 + 0.4 * Math.exp(-4 * done) + noise(0.02),
            "clipFraction", Math.abs(0.08 + noise(0.03)),
            "entropy", 2.1 - 1.1 * risen + noise(0.05),
            "responseLength", 18 + 5 * risen + noise(0.8),
            "tokensPerSecond", 2350 + noise(120));
    Map<String, Double> phases =
        Map.of(
            "generate", 0.52 + noise(0.03),
            "score", 0.19 + noise(0.015),
            "train", 0.41 + noise(0.02),
            "flip", 0.03 + noise(0.004));
    step("ppo", step, PPO_STEPS, metrics, phases);
    for (int i = 0; i < 2; i++) {
      append(RunEvent.newBuilder().setRolloutRecorded(rollout(step, i, risen)));
    }
    role("policy", "127.0.0.1:25520", "busy", "generate 64 prompts", step + 1);
    role(
        "critic",
        "127.0.0.1:25521",
        step % 3 == 0 ? "busy" : "idle",
        step % 3 == 0 ? "update, 64 sequences" : "",
        step + 1);
    if (step == 37) {
      append(
          RunEvent.newBuilder()
              .setNotice(
                  Notice.newBuilder()
                      .setSeverity("warning")
                      .setStage("ppo")
                      .setText(
                          "critic skipped the update of step 37: the gradient was not finite")));
    }
  }

  private RolloutRecorded rollout(int step, int index, double risen) {
    String subject = SUBJECTS.get(random.nextInt(SUBJECTS.size()));
    boolean friendly = random.nextDouble() < 0.35 + 0.65 * risen;
    String reply =
        String.format(
            Locale.ROOT,
            REPLIES.get(friendly ? random.nextInt(REPLIES.size() - 1) : REPLIES.size() - 1),
            subject);
    double score = (friendly ? 2.4 : -1.8) + noise(0.4);
    RolloutRecorded.Builder rollout =
        RolloutRecorded.newBuilder()
            .setStage("ppo")
            .setStep(step)
            .setPromptId("prompt-" + (step * 2 + index))
            .setPrompt("Human: What do you think of " + subject + "?\n\nAssistant:")
            .setResponse(reply)
            .setScore(score)
            .setFinish(index == 0 ? "eos" : "length")
            .setAdapterVersion(step);
    String[] tokens = reply.split("(?=[ ,.:!?\\n])", -1);
    for (int i = 0; i < tokens.length; i++) {
      boolean last = i == tokens.length - 1;
      double logprob = -0.05 - Math.abs(noise(0.9));
      double drift = noise(0.35);
      rollout
          .addTokens(tokens[i])
          .addLogprobs((float) logprob)
          .addRefLogprobs((float) Math.min(-0.01, logprob - drift))
          .addValues((float) (score * (i + 1) / tokens.length + noise(0.2)))
          .addRewards((float) (-0.05 * drift + (last ? score : 0)))
          .addAdvantages((float) (score * 0.5 * (1 - 0.6 * i / tokens.length) + noise(0.6)));
    }
    return rollout.build();
  }

  /** A rollout as an attacker would like to see it on the page. */
  void rolloutOf(String prompt, String response) {
    append(
        RunEvent.newBuilder()
            .setRolloutRecorded(
                RolloutRecorded.newBuilder()
                    .setStage("ppo")
                    .setStep(1)
                    .setPrompt(prompt)
                    .setResponse(response)
                    .setFinish(response)
                    .setPromptId(prompt)
                    .addTokens(response)
                    .addLogprobs(-1)));
  }

  void complete() {
    stageDone(
        "ppo",
        151.2,
        Map.of(
            "score", 2.97, "kl", 5.31, "ruleSatisfied", 0.96, "wellFormed", 0.98, "winRate", 0.91));
    end("completed", "", SUMMARY);
  }

  void end(String outcome, String message) {
    end(outcome, message, "");
  }

  private void end(String outcome, String message, String summary) {
    append(
        RunEvent.newBuilder()
            .setRunCompleted(
                RunCompleted.newBuilder()
                    .setOutcome(outcome)
                    .setMessage(message)
                    .setSummaryJson(summary)));
  }

  private void stage(String name, int steps) {
    append(
        RunEvent.newBuilder()
            .setStageStarted(StageStarted.newBuilder().setStage(name).setTotalSteps(steps)));
  }

  private void stageDone(String name, double seconds, Map<String, Double> results) {
    append(
        RunEvent.newBuilder()
            .setStageCompleted(
                StageCompleted.newBuilder()
                    .setStage(name)
                    .setSeconds(seconds)
                    .putAllResults(results)));
  }

  void step(
      String stage,
      long step,
      long totalSteps,
      Map<String, Double> metrics,
      Map<String, Double> phaseSeconds) {
    append(
        RunEvent.newBuilder()
            .setStepCompleted(
                StepCompleted.newBuilder()
                    .setStage(stage)
                    .setStep(step)
                    .setTotalSteps(totalSteps)
                    .putAllMetrics(metrics)
                    .putAllPhaseSeconds(phaseSeconds)));
  }

  private void role(String role, String node, String state, String activity, long version) {
    append(
        RunEvent.newBuilder()
            .setRoleChanged(
                RoleChanged.newBuilder()
                    .setRole(role)
                    .setNode(node)
                    .setState(state)
                    .setActivity(activity)
                    .setAdapterVersion(version)
                    .putMemoryBytes("base", 7_340_032)
                    .putMemoryBytes("adapter", 1_258_291)
                    .putMemoryBytes("optimiser", 2_516_582)
                    .putMemoryBytes("cache", "policy".equals(role) ? 25_165_824 : 0)));
  }

  RunEvent append(RunEvent.Builder event) {
    return log.append(event);
  }

  private double noise(double deviation) {
    return deviation * random.nextGaussian();
  }

  @Override
  public void close() {
    log.close();
  }

  /** Serves a sample for people to look at: directory, port, PPO steps, whether to complete. */
  public static void main(String[] arguments) throws InterruptedException {
    Path directory = Path.of(arguments[0]);
    int steps = Integer.parseInt(arguments[2]);
    Instant start = Instant.now().minus(Duration.ofMillis(80_000 + 1250L * steps));
    try (SampleRun run = new SampleRun(directory, start);
        DashboardServer server =
            DashboardServer.start(
                directory, DashboardServer.DEFAULT_HOST, Integer.parseInt(arguments[1]))) {
      if (steps > 0) {
        run.writeUntilPpoStep(steps);
        if (arguments.length > 3) {
          run.complete();
        }
      }
      System.out.println(server.url());
      Thread.sleep(Duration.ofHours(1).toMillis());
    }
  }
}
