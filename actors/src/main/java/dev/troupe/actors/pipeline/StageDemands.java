package dev.troupe.actors.pipeline;

import dev.troupe.rlhf.stage.Part;
import dev.troupe.rlhf.stage.Source;
import dev.troupe.rlhf.stage.Stage;
import dev.troupe.rlhf.stage.Stages;
import java.util.Arrays;
import java.util.Set;

/** Which keys of the configuration a stage reads. */
public final class StageDemands {
  /** How much a run may read, and what it does at once: what comes of it is the same. */
  private static final Set<String> BOUNDS =
      Set.of("data.max-records", "data.max-megabytes", "rollouts.overlap");

  /** Of sampling alone, and who samples reads prompts. */
  private static final Set<String> SAMPLING =
      Set.of("engine.rollout-weights", "rollouts.staleness");

  private StageDemands() {}

  /**
   * Whether a stage's own work depends on a key, what earlier stages handed on not counted. A key
   * that is not known to be another stage's alone is taken to be everyone's; on a bound of what may
   * be read, and on what is done at once, none depends.
   *
   * @param key with dots, such as {@code data.sft} or {@code ppo.kl.coefficient}
   */
  static boolean dependsOn(Stage<?> stage, String key) {
    if (BOUNDS.contains(key)) {
      return false;
    }
    if (SAMPLING.contains(key)) {
      return stage.reads().contains(Source.PROMPTS);
    }
    String[] names = key.split("\\.", -1);
    if (Stages.named(names[0]).isPresent()) {
      return names[0].equals(stage.name());
    }
    if (names[0].equals("start") && names.length > 1) {
      return stage.takes().stream().anyMatch(part -> start(part).equals(names[1]));
    }
    String part = names.length > 1 ? names[0] + "." + names[1] : key;
    return !Source.allKeys().contains(part)
        || stage.reads().stream().anyMatch(source -> source.keys().contains(part));
  }

  /** Whether any stage of a configuration reads a key, or the run itself does. */
  public static boolean isUsed(PipelineConfig config, String key) {
    boolean replaced =
        config.quickstart().isPresent()
            && Arrays.stream(Source.values()).anyMatch(source -> key.equals(source.key()));
    return !replaced
        && (BOUNDS.contains(key)
            || config.stages().stream().anyMatch(stage -> dependsOn(stage, key)));
  }

  /** The key of {@code start} that names a part. */
  private static String start(Part part) {
    return switch (part) {
      case MODEL -> "";
      case POLICY -> "policy";
      case REWARD_MODEL -> "reward";
    };
  }
}
