package dev.troupe.configuration;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigIncludeContext;
import com.typesafe.config.ConfigIncluder;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigParseable;
import com.typesafe.config.ConfigSyntax;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValueFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Reads a configuration: overrides of the command line, over the user's file with what it includes,
 * over the defaults. {@code ${NAME}} reads a key, or else an environment variable; {@code
 * ${TROUPE_HOME}} is the directory of the installation.
 *
 * @param <T> the record that the tree is bound to
 */
public final class ConfigurationLoader<T extends Record> {
  private static final String HOME = "TROUPE_HOME";

  private final Class<T> type;
  private final String defaultsResource;

  /**
   * @param defaultsResource on the class path, with a value and a comment for every key
   */
  public ConfigurationLoader(Class<T> type, String defaultsResource) {
    this.type = type;
    this.defaultsResource = defaultsResource;
  }

  /**
   * A configuration as it will be used.
   *
   * @param text of the effective configuration, HOCON, every key given
   */
  public record Loaded<T extends Record>(T value, String text) {}

  /**
   * Reads and validates.
   *
   * @param overrides each {@code key=value}
   * @throws ConfigException with all problems of all keys
   */
  public Loaded<T> load(Path file, List<String> overrides) {
    if (!Files.isRegularFile(file)) {
      throw new ConfigException(
          file.toString(),
          Files.isDirectory(file)
              ? "is a directory, expected a configuration file"
              : "no such configuration file");
    }
    try {
      return bind(
          set(overrides)
              .withFallback(ConfigFactory.parseFile(file.toFile(), options(true)))
              .withFallback(defaults()));
    } catch (com.typesafe.config.ConfigException e) {
      throw syntax(e, file.toString());
    }
  }

  /** Reads text instead of a file, for programs and tests. */
  public Loaded<T> parse(String text, List<String> overrides) {
    try {
      return bind(
          set(overrides)
              .withFallback(
                  ConfigFactory.parseString(text, options(true).setOriginDescription("text")))
              .withFallback(defaults()));
    } catch (com.typesafe.config.ConfigException e) {
      throw syntax(e, "text");
    }
  }

  /** The defaults, unresolved, with their comments. */
  Config defaults() {
    return ConfigFactory.parseResources(
        ConfigurationLoader.class.getClassLoader(), defaultsResource, options(false));
  }

  /** Resolves names; the environment comes last. */
  static Config resolve(Config config) {
    String home = System.getenv(HOME);
    return config
        .withFallback(
            ConfigFactory.parseMap(Map.of(HOME, home == null ? "." : home), "environment"))
        .resolve()
        .withoutPath(HOME);
  }

  private Loaded<T> bind(Config merged) {
    Config resolved = resolve(merged);
    Templates templates =
        new Templates(
            resolved.hasPath(Templates.KEY)
                ? resolved.getObject(Templates.KEY)
                : ConfigValueFactory.fromMap(Map.of()));
    ConfigObject tree = resolved.root().withoutKey(Templates.KEY);
    T value =
        RecordBinder.bind(
            tree, type, templates, origin -> defaultsResource.equals(origin.resource()));
    return new Loaded<>(value, RecordWriter.write(value));
  }

  private static Config set(List<String> overrides) {
    Config config = ConfigFactory.empty();
    List<ConfigException.Problem> problems = new ArrayList<>();
    for (String override : overrides) {
      String place = "--set " + override;
      int equals = override.indexOf('=');
      if (equals < 1) {
        problems.add(
            new ConfigException.Problem(
                place, "expected KEY=VALUE, for example --set ppo.kl-coefficient=0.05"));
        continue;
      }
      String key = override.substring(0, equals).strip();
      String value = override.substring(equals + 1).strip();
      try {
        ConfigUtil.splitPath(key);
        config = one(key, value, place).withFallback(config);
      } catch (com.typesafe.config.ConfigException e) {
        problems.add(new ConfigException.Problem(place, reason(e)));
      }
    }
    if (!problems.isEmpty()) {
      throw new ConfigException(problems);
    }
    return config;
  }

  /**
   * Lists, sections, quoted texts, numbers, booleans and null are HOCON; all else is plain text.
   */
  private static Config one(String key, String value, String place) {
    boolean hocon =
        value.matches("(?s)[\\[{\"].*|true|false|null|[-+]?[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?");
    return hocon
        ? ConfigFactory.parseString(
            key + " = " + value, ConfigParseOptions.defaults().setOriginDescription(place))
        : ConfigValueFactory.fromAnyRef(value, place).atPath(key);
  }

  private static ConfigParseOptions options(boolean includes) {
    ConfigParseOptions options =
        ConfigParseOptions.defaults().setAllowMissing(false).setSyntax(ConfigSyntax.CONF);
    return includes ? options.setIncluder(new StrictIncluder()) : options;
  }

  private static ConfigException syntax(com.typesafe.config.ConfigException e, String file) {
    String place = e.origin() == null ? file : Places.of(e.origin());
    return new ConfigException(place, reason(e));
  }

  /** The library's message without the place it begins with. */
  private static String reason(com.typesafe.config.ConfigException e) {
    String message = String.valueOf(e.getMessage());
    if (e.origin() != null) {
      String place = e.origin().description() + ": ";
      if (message.startsWith(place)) {
        return message.substring(place.length());
      }
    }
    return message;
  }

  /** An included file that is not there is an error; the library would leave it out silently. */
  private static final class StrictIncluder implements ConfigIncluder {
    @Override
    public ConfigIncluder withFallback(ConfigIncluder fallback) {
      return this;
    }

    @Override
    public ConfigObject include(ConfigIncludeContext context, String what) {
      ConfigParseable found = context.relativeTo(what);
      try {
        if (found != null) {
          return found.parse(context.parseOptions().setAllowMissing(false));
        }
      } catch (com.typesafe.config.ConfigException.IO e) {
        throw new ConfigException(
            "include \"" + what + "\"",
            "no such file; an include is looked for beside the file that includes it, and among"
                + " the presets (presets/modern.conf, presets/deepspeed-chat.conf)");
      }
      throw new ConfigException("include \"" + what + "\"", "no such file");
    }
  }
}
