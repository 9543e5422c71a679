package dev.troupe.rlhf.port;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Makes the environments of a run's episodes. Found by {@link java.util.ServiceLoader}, or passed
 * with a run's request; the configuration names it: {@code grpo.environment { type = java, name =
 * NAME }}. Many episodes may be under way at once, each with an environment of its own.
 */
public interface EnvironmentFactory extends AutoCloseable {
  /** By which the configuration names it. */
  String name();

  /**
   * Tools offered to the model by its chat template: JSON schemas of functions as the templates
   * take them, {@code {type: function, function: {name, description, parameters}}}. Empty for none.
   */
  default List<Map<String, @Nullable Object>> tools() throws Exception {
    return List.of();
  }

  /** An environment for one episode; may block, as for a place at a busy service. */
  Environment create(Environment.Task task) throws Exception;

  /** Ends what it holds for the run. */
  @Override
  default void close() {}
}
