package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.Set;

/**
 * The keys of {@code adapter_config.json} that are one method's own.
 *
 * @param <M> the method
 */
interface MethodJson<M extends PeftMethod> {
  /** Whose keys they are. */
  Class<M> method();

  /** The keys that it understands, or that say nothing of what a finished adapter computes. */
  Set<String> keys();

  /** Options that change the mathematics in ways that cannot be honoured, with their names. */
  default Map<String, String> mustBeOff() {
    return Map.of();
  }

  /**
   * @throws IllegalArgumentException naming the key that is wrong
   */
  M read(ObjectNode json);

  /** Puts its keys. */
  void write(M method, ObjectNode json);

  /** The same of a method that is known to be its own. */
  default void writeOwn(PeftMethod method, ObjectNode json) {
    write(method().cast(method), json);
  }
}
