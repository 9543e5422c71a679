package dev.troupe.rlhf.stage;

import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The parts of a run's data that a stage may read. */
public enum Source {
  /** Texts to imitate. */
  TEXTS("sft"),
  /** Pairs of a better and a worse answer. */
  PREFERENCES("preferences"),
  /** Answers that were judged one by one: by a label, a score, or a label for each step. */
  JUDGED("judged"),
  /** Prompts to answer. */
  PROMPTS("prompts"),
  /** Texts that are mixed into other training. */
  PRETRAINING("pretraining");

  private final String data;

  /**
   * @param data its key in {@code data}
   */
  Source(String data) {
    this.data = data;
  }

  /** The key of its files. */
  public String key() {
    return "data." + data;
  }

  /** All keys that say what it is: of files, and of what the quickstart makes in their place. */
  public Set<String> keys() {
    return Stream.concat(Stream.of(key()), quickstart().stream().map(key -> "quickstart." + key))
        .collect(Collectors.toUnmodifiableSet());
  }

  private Set<String> quickstart() {
    return switch (this) {
      case TEXTS -> Set.of("corpus", "answered");
      case PREFERENCES -> Set.of("preferences");
      case PROMPTS -> Set.of("prompts");
      case JUDGED -> Set.of();
      case PRETRAINING -> Set.of("corpus");
    };
  }

  /** The keys of all sources. */
  public static Set<String> allKeys() {
    return Arrays.stream(values())
        .flatMap(source -> source.keys().stream())
        .collect(Collectors.toUnmodifiableSet());
  }
}
