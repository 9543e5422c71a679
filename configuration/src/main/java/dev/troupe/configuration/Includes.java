package dev.troupe.configuration;

import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigIncludeContext;
import com.typesafe.config.ConfigIncluder;
import com.typesafe.config.ConfigIncluderClasspath;
import com.typesafe.config.ConfigIncluderFile;
import com.typesafe.config.ConfigIncluderURL;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigParseable;
import java.io.File;
import java.net.URL;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What {@code include} may take up: a file beside the one that includes it, or a preset of ours,
 * wherever that file lies. What is not there is an error, where the library would leave it out
 * silently; and nothing is fetched.
 */
final class Includes
    implements ConfigIncluder, ConfigIncluderFile, ConfigIncluderURL, ConfigIncluderClasspath {
  /** Of the presets on the class path. */
  private static final String PRESETS = "presets/";

  /** The included files that are being read, outermost first. */
  private final Set<Path> open = new LinkedHashSet<>();

  @Override
  public ConfigIncluder withFallback(ConfigIncluder fallback) {
    return this;
  }

  @Override
  public ConfigObject include(ConfigIncludeContext context, String what) {
    if (what.contains("://")) {
      throw refused("\"" + what + "\"");
    }
    ConfigParseable beside = context.relativeTo(what);
    // The library falls back to the class path by itself, with all that lies there.
    if (beside != null && beside.origin().filename() != null) {
      File file = new File(beside.origin().filename());
      if (file.exists()) {
        return file(context, file, "\"" + what + "\"");
      }
    }
    return preset(context, what, "\"" + what + "\"");
  }

  @Override
  public ConfigObject includeFile(ConfigIncludeContext context, File what) {
    return file(context, what, "file(\"" + what + "\")");
  }

  @Override
  public ConfigObject includeResources(ConfigIncludeContext context, String what) {
    return preset(context, what, "classpath(\"" + what + "\")");
  }

  @Override
  public ConfigObject includeURL(ConfigIncludeContext context, URL what) {
    throw refused("url(\"" + what + "\")");
  }

  private ConfigObject file(ConfigIncludeContext context, File file, String what) {
    if (!file.isFile() || !file.canRead()) {
      throw new ConfigException(
          "include " + what,
          file.isDirectory()
              ? "is a directory, expected a configuration file"
              : file.exists() ? "cannot be read: permission denied" : "no such file");
    }
    Path path = file.toPath().toAbsolutePath().normalize();
    if (!open.add(path)) {
      throw new ConfigException("include " + what, "includes itself, by way of " + shown());
    }
    try {
      return ConfigFactory.parseFile(file, strict(context)).root();
    } catch (com.typesafe.config.ConfigException.Parse e) {
      // Nothing of it is quoted, as the library does: it may be any file of this machine.
      throw new ConfigException(
          e.origin() == null ? file.toString() : Places.of(e.origin()),
          "is not a configuration (HOCON) from here on; it was named by include " + what);
    } finally {
      open.remove(path);
    }
  }

  private String shown() {
    return open.stream().map(Path::toString).collect(Collectors.joining(", "));
  }

  private static ConfigObject preset(ConfigIncludeContext context, String what, String shown) {
    ConfigParseOptions options = strict(context);
    if (!what.startsWith(PRESETS) || options.getClassLoader().getResource(what) == null) {
      throw new ConfigException(
          "include " + shown,
          "no such file; an include is looked for beside the file that includes it, and among"
              + " the presets ("
              + String.join(", ", PipelineConfigurations.PRESETS)
              + ")");
    }
    return ConfigFactory.parseResources(what, options).root();
  }

  private static ConfigParseOptions strict(ConfigIncludeContext context) {
    return context.parseOptions().setAllowMissing(false);
  }

  private static ConfigException refused(String what) {
    return new ConfigException(
        "include " + what,
        "is refused: a configuration fetches nothing; save the file beside this one and include it"
            + " by its name");
  }
}
