package dev.troupe.configuration;

import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueFactory;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Default values of records that have no path of their own: elements of lists and maps, and the
 * records of sealed interfaces. They stand in the defaults under {@code template.NAME}, NAME being
 * the record's kebab-case name without a final "-config".
 */
record Templates(ConfigObject sections) {
  /** The section of the templates. */
  static final String KEY = "template";

  /** Those of a resolved tree. */
  static Templates of(ConfigObject tree) {
    return new Templates(
        tree.get(KEY) instanceof ConfigObject sections
            ? sections
            : ConfigValueFactory.fromMap(Map.of()));
  }

  static String name(Class<?> record) {
    return Names.kebab(record.getSimpleName()).replaceFirst("-config$", "");
  }

  /** The default values of a record. */
  @Nullable ConfigObject byName(Class<?> type) {
    return sections.get(name(type)) instanceof ConfigObject section ? section : null;
  }

  /** A section with the keys it lacks filled in; any other value as it is. */
  ConfigValue complete(ConfigValue value, Class<?> type) {
    ConfigObject template = byName(type);
    if (!(value instanceof ConfigObject object) || template == null) {
      return value;
    }
    // Not withFallback: a section written over a null takes no fallbacks.
    ConfigObject complete = template;
    for (Map.Entry<String, ConfigValue> entry : object.entrySet()) {
      complete = complete.withValue(entry.getKey(), entry.getValue());
    }
    return complete.withOrigin(object.origin());
  }
}
