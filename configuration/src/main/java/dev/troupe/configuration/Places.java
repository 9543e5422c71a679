package dev.troupe.configuration;

import com.typesafe.config.ConfigOrigin;
import java.nio.file.Path;

/** Where a value was written, as a person would say it. */
final class Places {
  private Places() {}

  /** {@code configs/ppo.conf:12}, or what the origin says of itself ({@code --set a=b}). */
  static String of(ConfigOrigin origin) {
    String file = origin.filename();
    if (file == null) {
      String resource = origin.resource();
      if (resource == null) {
        return described(origin);
      }
      file = resource;
    }
    Path path = Path.of(file);
    Path here = Path.of("").toAbsolutePath();
    String shown = path.startsWith(here) ? here.relativize(path).toString() : file;
    return origin.lineNumber() < 1 ? shown : shown + ":" + origin.lineNumber();
  }

  /** The library says {@code text: 3} where a person expects {@code text:3}. */
  private static String described(ConfigOrigin origin) {
    String line = ": " + origin.lineNumber();
    String description = origin.description();
    if (!description.endsWith(line)) {
      return description;
    }
    String place = description.substring(0, description.length() - line.length());
    return place.startsWith("--set") ? place : place + ":" + origin.lineNumber();
  }
}
