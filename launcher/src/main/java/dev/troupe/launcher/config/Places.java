package dev.troupe.launcher.config;

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
        return origin.description();
      }
      file = resource;
    }
    Path path = Path.of(file);
    Path here = Path.of("").toAbsolutePath();
    String shown = path.startsWith(here) ? here.relativize(path).toString() : file;
    return origin.lineNumber() < 1 ? shown : shown + ":" + origin.lineNumber();
  }
}
