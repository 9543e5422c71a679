package dev.troupe.actors.pipeline;

import dev.troupe.rlhf.stage.Stage;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Records as the maps and lists that JSON knows, components in their order. What was not measured,
 * and a number that is not finite, is null: JSON has no word for it.
 */
final class PlainJson {
  private PlainJson() {}

  static @Nullable Object of(@Nullable Object value) {
    if (value instanceof Optional<?> optional) {
      return of(optional.orElse(null));
    }
    if (value instanceof List<?> list) {
      return plain(list);
    }
    if (value instanceof Map<?, ?> map) {
      Map<String, @Nullable Object> plain = new LinkedHashMap<>();
      map.forEach((key, element) -> plain.put(String.valueOf(key), of(element)));
      return plain;
    }
    if (value instanceof Double number) {
      return JsonLines.finite(number);
    }
    if (value instanceof Float number) {
      return JsonLines.finite(number);
    }
    if (value instanceof Record record) {
      return record(record);
    }
    return value instanceof Stage<?> stage ? stage.name() : value;
  }

  private static List<@Nullable Object> plain(List<?> list) {
    List<@Nullable Object> plain = new ArrayList<>();
    list.forEach(element -> plain.add(of(element)));
    return plain;
  }

  private static Map<String, @Nullable Object> record(Record record) {
    Map<String, @Nullable Object> plain = new LinkedHashMap<>();
    for (RecordComponent component : record.getClass().getRecordComponents()) {
      try {
        plain.put(component.getName(), of(component.getAccessor().invoke(record)));
      } catch (ReflectiveOperationException e) {
        throw new IllegalStateException("cannot read " + component, e);
      }
    }
    return plain;
  }
}
