package dev.troupe.actors.pipeline;

import java.util.Set;

/** Which keys of the configuration a stage reads. */
public final class StageDemands {
  private static final Set<String> SECTIONS = Set.of("pretrain", "sft", "reward", "ppo", "dpo");

  /** The parts of {@code data} and {@code quickstart} that are some stages' alone. */
  private static final Set<String> PARTS =
      Set.of("sft", "preferences", "prompts", "pretraining", "corpus", "answered");

  /** Those of {@code data}, which the quickstart's own take the place of. */
  private static final Set<String> SOURCES = Set.of("sft", "preferences", "prompts", "pretraining");

  /** How much a run may read: what it does read is the same with more room. */
  private static final Set<String> BOUNDS = Set.of("data.max-records", "data.max-megabytes");

  private StageDemands() {}

  /**
   * Whether a stage's own work depends on a key, what earlier stages handed on not counted. A key
   * that is not known to be another stage's alone is taken to be everyone's; on a bound of what may
   * be read, none depends.
   *
   * @param key with dots, such as {@code data.sft} or {@code ppo.kl.coefficient}
   */
  static boolean dependsOn(PipelineConfig.Stage stage, String key) {
    if (BOUNDS.contains(key)) {
      return false;
    }
    String[] names = key.split("\\.", -1);
    if (SECTIONS.contains(names[0])) {
      return names[0].equals(stage.key());
    }
    if (names[0].equals("start") && names.length > 1) {
      return starts(stage).contains(names[1]);
    }
    boolean data = names[0].equals("data") || names[0].equals("quickstart");
    return !data
        || names.length < 2
        || !PARTS.contains(names[1])
        || parts(stage).contains(names[1]);
  }

  /** Whether any stage of a configuration reads a key, or the run itself does. */
  public static boolean isUsed(PipelineConfig config, String key) {
    boolean replaced =
        config.quickstart().isPresent()
            && SOURCES.stream().anyMatch(source -> key.equals("data." + source));
    return !replaced
        && (BOUNDS.contains(key)
            || config.stages().stream().anyMatch(stage -> dependsOn(stage, key)));
  }

  /** What of {@code start} a stage may begin from. */
  private static Set<String> starts(PipelineConfig.Stage stage) {
    return switch (stage) {
      case PRETRAIN -> Set.of();
      case SFT, DPO -> Set.of("policy");
      case REWARD -> Set.of("reward");
      case PPO -> Set.of("policy", "reward");
    };
  }

  private static Set<String> parts(PipelineConfig.Stage stage) {
    return switch (stage) {
      case PRETRAIN, SFT -> Set.of("sft", "corpus", "answered");
      case REWARD -> Set.of("preferences");
      case PPO -> Set.of("prompts", "pretraining", "corpus");
      case DPO -> Set.of("preferences", "prompts");
    };
  }
}
