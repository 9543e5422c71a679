package dev.troupe.configuration;

import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigValueFactory;
import dev.troupe.rlhf.stage.Sections;
import dev.troupe.rlhf.stage.Stage;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** The way back of {@link RecordBinder}: records as HOCON that binds to equal records. */
final class RecordWriter {
  private RecordWriter() {}

  static String write(Record root) {
    return ConfigValueFactory.fromMap(section(root))
        .render(
            ConfigRenderOptions.defaults()
                .setOriginComments(false)
                .setComments(false)
                .setJson(false));
  }

  private static Map<String, @Nullable Object> section(Record record) {
    Map<String, @Nullable Object> section = new LinkedHashMap<>();
    if (RecordKeys.isChoice(record.getClass())) {
      section.put(RecordBinder.TYPE, RecordKeys.chosenBy(record.getClass()));
    }
    for (RecordComponent component : record.getClass().getRecordComponents()) {
      try {
        var accessor = component.getAccessor();
        accessor.setAccessible(true);
        Object value = accessor.invoke(record);
        if (value instanceof Sections sections) {
          sections.byName().forEach((stage, its) -> section.put(stage, plain(its)));
        } else {
          section.put(Names.kebab(component.getName()), plain(value));
        }
      } catch (IllegalAccessException | InvocationTargetException e) {
        throw new IllegalStateException("cannot read " + component, e);
      }
    }
    return section;
  }

  private static @Nullable Object plain(Object value) {
    if (value instanceof Optional<?> optional) {
      return optional.map(RecordWriter::plain).orElse(null);
    }
    if (value instanceof OptionalInt optional) {
      return optional.isPresent() ? optional.getAsInt() : null;
    }
    if (value instanceof OptionalLong optional) {
      return optional.isPresent() ? optional.getAsLong() : null;
    }
    if (value instanceof OptionalDouble optional) {
      return optional.isPresent() ? optional.getAsDouble() : null;
    }
    if (value instanceof List<?> list) {
      return list.stream().map(RecordWriter::plain).toList();
    }
    if (value instanceof Map<?, ?> map) {
      Map<String, @Nullable Object> section = new LinkedHashMap<>();
      map.forEach((key, element) -> section.put(String.valueOf(key), plain(element)));
      return section;
    }
    if (value instanceof Enum<?> constant) {
      return Names.kebab(constant.name());
    }
    if (value instanceof Record record) {
      return section(record);
    }
    if (value instanceof Stage<?> stage) {
      return stage.name();
    }
    return value instanceof Number || value instanceof Boolean ? value : value.toString();
  }
}
