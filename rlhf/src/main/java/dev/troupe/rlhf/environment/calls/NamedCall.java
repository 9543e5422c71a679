package dev.troupe.rlhf.environment.calls;

import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A call written as one object with a name and arguments.
 *
 * @param id empty where it has none
 */
record NamedCall(Optional<String> id, String name, Map<String, @Nullable Object> arguments) {
  /** Of an object with {@code name} and {@code arguments} or {@code parameters}. */
  static Optional<NamedCall> of(@Nullable Object value) {
    if (!(value instanceof Map<?, ?> map)
        || !(map.get("name") instanceof String name)
        || name.isBlank()) {
      return Optional.empty();
    }
    Object arguments = map.get(map.containsKey("arguments") ? "arguments" : "parameters");
    Optional<String> id = Optional.ofNullable(map.get("id") instanceof String given ? given : null);
    return JsonText.arguments(arguments).map(read -> new NamedCall(id, name, read));
  }

  void addTo(Scan scan) {
    id.ifPresentOrElse(
        given -> scan.call(given, name, arguments), () -> scan.call(name, arguments));
  }
}
