package dev.troupe.actors.pipeline;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.Consumer;

/**
 * What a configuration comes to, found by reading the model's configuration and tokenizer, its
 * weights' headers and the data, and by training nothing: a configuration that has one is sound as
 * far as can be known before the first step.
 *
 * @param stages those to do, in order; without what an earlier run completed
 * @param diskBytes an estimate of what the run writes
 * @param complete the results of a complete run that is asked to go on
 */
public record RunForecast(
    PipelineConfig config, Purpose purpose, List<Stage> stages, long diskBytes, boolean complete) {
  /** For what it is made. */
  public enum Purpose {
    /** To look at: whatever the output directory holds. */
    PLAN,
    /** To start a run. */
    START,
    /** To go on with one. */
    RESUME
  }

  /**
   * One stage.
   *
   * @param what its samples are: texts, pairs, prompts
   * @param samples to train on, those held out and dropped not among them
   * @param heldOut to measure on; absent where it has nothing to hold out
   * @param dropped samples by reason
   * @param steps of its optimiser, or rounds of PPO; absent where the tokenizer is yet to be made
   * @param samplesPerStep but for a last, smaller one
   * @param tokens trained, or the most that are generated; absent as above
   * @param longest tokens of a sequence
   */
  public record Stage(
      PipelineConfig.Stage stage,
      String what,
      int samples,
      OptionalInt heldOut,
      Map<String, Long> dropped,
      int steps,
      int samplesPerStep,
      OptionalLong tokens,
      OptionalInt longest) {
    public Stage {
      dropped = Map.copyOf(dropped);
    }
  }

  public RunForecast {
    stages = List.copyOf(stages);
  }

  /**
   * Checks all that can be checked before anything is trained. Writes nothing but, where the
   * project's own data generator is used, temporary files.
   *
   * @throws PipelineException with all problems
   */
  public static RunForecast of(PipelineConfig config, Purpose purpose) {
    return of(config, purpose, line -> {});
  }

  /**
   * The same.
   *
   * @param progress hears a line now and then while large files are read
   */
  public static RunForecast of(PipelineConfig config, Purpose purpose, Consumer<String> progress) {
    return new Preflight(config, purpose, progress).forecast();
  }

  /** That of a stage, where it is to be done. */
  public Optional<Stage> stage(PipelineConfig.Stage stage) {
    return stages.stream().filter(it -> it.stage() == stage).findFirst();
  }
}
