package dev.troupe.configuration;

import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigValue;
import java.util.Map;

/**
 * Default values of records that have no path of their own: elements of lists and maps, and the
 * records of sealed interfaces. They stand in the defaults under {@code template.NAME}, NAME being
 * the record's kebab-case name without a final "-config".
 */
record Templates(ConfigObject byName) {
  /** The section of the templates. */
  static final String KEY = "template";

  static String name(Class<?> record) {
    return Names.kebab(record.getSimpleName()).replaceFirst("-config$", "");
  }

  /** A section with the keys it lacks filled in; any other value as it is. */
  ConfigValue complete(ConfigValue value, Class<?> type) {
    if (!(value instanceof ConfigObject object)
        || !(byName.get(name(type)) instanceof ConfigObject template)) {
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
