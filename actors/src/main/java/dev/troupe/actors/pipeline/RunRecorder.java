package dev.troupe.actors.pipeline;

import dev.troupe.protocol.data.Experience;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.event.EventLog;
import dev.troupe.protocol.event.Notice;
import dev.troupe.protocol.event.RolloutRecorded;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.protocol.event.StepCompleted;
import dev.troupe.rlhf.port.Observer;
import dev.troupe.rlhf.port.Text;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes what the recipes say into the event file and, for scripts, into metrics.jsonl and
 * samples.jsonl; passes steps on to the caller's listener.
 */
final class RunRecorder implements Observer {
  /** Rollouts of a step that are kept for people to look at. */
  private static final int ROLLOUTS_PER_STEP = 8;

  private static final Logger LOG = LoggerFactory.getLogger(RunRecorder.class);
  private static final String FLIP = "flip";
  private static final String GENERATE = "generate";

  private final EventLog log;
  private final JsonLines metricsFile;
  private final JsonLines samplesFile;
  private final StepListener listener;
  private final AtomicBoolean cancelled;
  private @Nullable Text text;

  /** Seconds that each role's engine has flipped so far, as it last said: those that sample. */
  private final Map<String, Double> flipped = new ConcurrentHashMap<>();

  private Map<String, Double> flippedBefore = Map.of();
  private long listenerFailures;

  RunRecorder(
      EventLog log, RunDirectory directory, StepListener listener, AtomicBoolean cancelled) {
    this.log = log;
    this.metricsFile = new JsonLines(directory.metrics());
    this.samplesFile = new JsonLines(directory.samples());
    this.listener = listener;
    this.cancelled = cancelled;
  }

  /**
   * The steps that count when a run goes on; what is written of later ones will be written again.
   *
   * @param lastStep of a stage, by its name
   */
  void resume(ToLongFunction<String> lastStep) {
    for (JsonLines lines : List.of(metricsFile, samplesFile)) {
      lines.keep(
          line -> line.path("step").asLong() <= lastStep.applyAsLong(line.path("stage").asText()));
    }
  }

  /** Seconds by stage and phase, of all steps so far, also those of the run that was resumed. */
  Map<String, Map<String, Double>> phaseSeconds() {
    Map<String, Map<String, Double>> stages = new TreeMap<>();
    metricsFile.forEach(
        line -> {
          Map<String, Double> sums =
              stages.computeIfAbsent(line.path("stage").asText(), stage -> new TreeMap<>());
          line.path("phaseSeconds")
              .properties()
              .forEach(
                  phase -> sums.merge(phase.getKey(), phase.getValue().asDouble(), Double::sum));
        });
    return stages;
  }

  /** Whose words the rollouts that follow are spelt in. */
  void speaks(Text newText) {
    text = newText;
  }

  /** What roles say of themselves; called from the actors. */
  void heard(RunEvent.Builder event) {
    if (event.hasRoleChanged() && event.getRoleChanged().containsPhaseSeconds(FLIP)) {
      flipped.put(
          event.getRoleChanged().getRole(), event.getRoleChanged().getPhaseSecondsOrThrow(FLIP));
    }
  }

  /**
   * A recipe times the whole answer to a request; the part of it that was the flip is shown apart.
   */
  private Map<String, Double> withFlip(Map<String, Double> phaseSeconds) {
    Map<String, Double> before = flippedBefore;
    Map<String, Double> now = Map.copyOf(flipped);
    flippedBefore = now;
    // Workers of one role flip side by side.
    double flip =
        now.entrySet().stream()
            .mapToDouble(role -> role.getValue() - before.getOrDefault(role.getKey(), 0.0))
            .reduce(0, Math::max);
    Map<String, Double> phases = new TreeMap<>(phaseSeconds);
    if (flip > 0 && phases.containsKey(GENERATE)) {
      phases.put(FLIP, flip);
      phases.merge(GENERATE, -flip, (whole, part) -> Math.max(0, whole + part));
    }
    return phases;
  }

  @Override
  public void step(
      String stage,
      long step,
      long totalSteps,
      Map<String, Double> metrics,
      Map<String, Double> recipeSeconds) {
    Map<String, Double> phaseSeconds = withFlip(recipeSeconds);
    log.append(
        RunEvent.newBuilder()
            .setStepCompleted(
                StepCompleted.newBuilder()
                    .setStage(stage)
                    .setStep(step)
                    .setTotalSteps(totalSteps)
                    .putAllMetrics(metrics)
                    .putAllPhaseSeconds(phaseSeconds)));
    Map<String, @Nullable Object> line = new LinkedHashMap<>();
    line.put("stage", stage);
    line.put("step", step);
    line.put("totalSteps", totalSteps);
    new TreeMap<>(metrics).forEach((name, value) -> line.put(name, JsonLines.finite(value)));
    line.put("phaseSeconds", new TreeMap<>(phaseSeconds));
    metricsFile.append(line);
    tell(stage, step, totalSteps, metrics);
  }

  /** Whatever the caller's listener throws is the caller's: the run tells it and goes on. */
  private void tell(String stage, long step, long totalSteps, Map<String, Double> metrics) {
    try {
      listener.step(stage, step, totalSteps, metrics);
    } catch (RuntimeException | AssertionError | LinkageError | StackOverflowError e) {
      listenerFailures++;
      if (listenerFailures == 1) {
        LOG.warn("the listener failed at step {} of stage {}", step, stage, e);
        notice(stage, "the listener failed at step " + step + ": " + e + "; the run goes on");
      }
    }
  }

  /** Tells how often the listener failed. */
  void stageEnds(String stage) {
    if (listenerFailures > 1) {
      notice(stage, "the listener failed at " + listenerFailures + " steps");
    }
    listenerFailures = 0;
  }

  @Override
  public void experiences(String stage, long step, List<Experience> experiences) {
    experiences.stream()
        .limit(ROLLOUTS_PER_STEP)
        .map(experience -> recorded(stage, step, experience))
        .forEach(
            rollout -> {
              log.append(RunEvent.newBuilder().setRolloutRecorded(rollout));
              samplesFile.append(line(rollout));
            });
  }

  private static Map<String, @Nullable Object> line(RolloutRecorded rollout) {
    Map<String, @Nullable Object> line = new LinkedHashMap<>();
    line.put("stage", rollout.getStage());
    line.put("step", rollout.getStep());
    line.put("promptId", rollout.getPromptId());
    line.put("prompt", rollout.getPrompt());
    line.put("response", rollout.getResponse());
    if (rollout.hasScore()) {
      line.put("score", JsonLines.finite(rollout.getScore()));
    }
    line.put("finish", rollout.getFinish());
    line.put("adapterVersion", rollout.getAdapterVersion());
    line.put("tokens", List.copyOf(rollout.getTokensList()));
    if (rollout.getSampledCount() > 0) {
      line.put("sampled", List.copyOf(rollout.getSampledList()));
    }
    line.put("logprobs", JsonLines.finite(rollout.getLogprobsList()));
    putPresent(line, "refLogprobs", rollout.getRefLogprobsList());
    putPresent(line, "values", rollout.getValuesList());
    putPresent(line, "rewards", rollout.getRewardsList());
    putPresent(line, "advantages", rollout.getAdvantagesList());
    return line;
  }

  /** What an algorithm has not is not in the line. */
  private static void putPresent(
      Map<String, @Nullable Object> line, String name, List<Float> values) {
    if (!values.isEmpty()) {
      line.put(name, JsonLines.finite(values));
    }
  }

  private RolloutRecorded recorded(String stage, long step, Experience experience) {
    var rollout = experience.rollout();
    RolloutRecorded.Builder recorded =
        RolloutRecorded.newBuilder()
            .setStage(stage)
            .setStep(step)
            .setPromptId(rollout.prompt().id())
            .setPrompt(rollout.prompt().text())
            .setResponse(rollout.transcript())
            .setFinish(rollout.finish().name().toLowerCase(java.util.Locale.ROOT))
            .setAdapterVersion(rollout.adapterVersion())
            .addAllTokens(text == null ? List.of() : text.pieces(rollout.response()))
            .addAllLogprobs(boxed(rollout.logprobs()));
    rollout
        .episode()
        .ifPresent(
            episode -> {
              for (int position : episode.sampled().values()) {
                recorded.addSampled(position);
              }
            });
    experience.score().ifPresent(recorded::setScore);
    experience.refLogprobs().ifPresent(values -> recorded.addAllRefLogprobs(boxed(values)));
    experience.critic().ifPresent(critic -> recorded.addAllValues(boxed(critic.values())));
    experience.rewards().ifPresent(values -> recorded.addAllRewards(boxed(values)));
    experience.advantages().ifPresent(values -> recorded.addAllAdvantages(boxed(values)));
    return recorded.build();
  }

  private static List<Float> boxed(Floats values) {
    List<Float> boxed = new ArrayList<>();
    for (float value : values.values()) {
      boxed.add(value);
    }
    return boxed;
  }

  @Override
  public void notice(String stage, String notice) {
    notice("warning", stage, notice);
  }

  @Override
  public void info(String stage, String notice) {
    notice("info", stage, notice);
  }

  void notice(String severity, String stage, String notice) {
    log.append(
        RunEvent.newBuilder()
            .setNotice(Notice.newBuilder().setSeverity(severity).setStage(stage).setText(notice)));
  }

  @Override
  public boolean cancelled() {
    return cancelled.get();
  }
}
