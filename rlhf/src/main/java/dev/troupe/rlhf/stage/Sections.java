package dev.troupe.rlhf.stage;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The configuration of every stage there is, whether a run has it or not.
 *
 * @param byName by the stages' names, in their order
 */
public record Sections(Map<String, Record> byName) {
  public Sections {
    byName = Collections.unmodifiableMap(new LinkedHashMap<>(byName));
  }

  /** That of one stage. */
  public <C extends Record> C of(Stage<C> stage) {
    return of(stage.name(), stage.config());
  }

  /** That of one stage, by its name. */
  public <C extends Record> C of(String stage, Class<C> type) {
    Record section = byName.get(stage);
    if (!type.isInstance(section)) {
      throw new IllegalArgumentException(
          "there is no section '" + stage + "' of " + type.getName() + " among " + byName.keySet());
    }
    return type.cast(section);
  }
}
