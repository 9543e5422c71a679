package dev.troupe.launcher.config;

import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigValue;

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
    return value instanceof ConfigObject object
            && byName.get(name(type)) instanceof ConfigObject template
        ? object.withFallback(template)
        : value;
  }
}
