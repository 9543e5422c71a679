package dev.troupe.configuration;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigOrigin;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigSyntax;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValueFactory;
import dev.troupe.rlhf.stage.Sections;
import dev.troupe.rlhf.stage.Stage;
import dev.troupe.rlhf.stage.Stages;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Reads a configuration: overrides of the command line, over the user's file with what it includes,
 * over the defaults. {@code ${NAME}} reads a key, or else an environment variable; {@code
 * ${TROUPE_HOME}} is the directory of the installation.
 *
 * @param <T> the record that the tree is bound to
 */
public final class ConfigurationLoader<T extends Record> {
  private static final String HOME = "TROUPE_HOME";

  /** In messages; a test reads it. */
  static final String EXAMPLE = "ppo.kl.coefficient=0.05";

  private final Class<T> type;
  private final String defaultsResource;
  private final Shared shared;

  /** Keys whose defaults stand in another resource. */
  private record Shared(List<String> resources, List<String> keys) {}

  /**
   * @param defaultsResource on the class path, with a value and a comment for every key
   */
  public ConfigurationLoader(Class<T> type, String defaultsResource) {
    this(type, defaultsResource, new Shared(List.of(), List.of()));
  }

  private ConfigurationLoader(Class<T> type, String defaultsResource, Shared shared) {
    this.type = type;
    this.defaultsResource = defaultsResource;
    this.shared = shared;
  }

  /** The same, with the defaults of some keys from another resource. */
  ConfigurationLoader<T> sharing(String resource, List<String> keys) {
    return new ConfigurationLoader<>(
        type, defaultsResource, new Shared(List.of(resource), List.copyOf(keys)));
  }

  /**
   * A configuration as it will be used.
   *
   * @param text of the effective configuration, HOCON, every key given
   * @param settings the keys that were given, by file, include or override, in the order of the
   *     reference
   */
  public record Loaded<T extends Record>(T value, String text, List<Setting> settings) {
    public Loaded {
      settings = List.copyOf(settings);
    }

    /** Whether a key, or a key below it, was given, be it with its default value. */
    public boolean isGiven(String key) {
      return settings.stream()
          .anyMatch(it -> it.key().equals(key) || it.key().startsWith(key + "."));
    }
  }

  /**
   * A key that was given.
   *
   * @param value as HOCON
   * @param differs from the default
   */
  public record Setting(String key, String value, boolean differs) {}

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
              // A bare name has no directory for the library to look for includes in.
              .withFallback(ConfigFactory.parseFile(file.toAbsolutePath().toFile(), options(true)))
              .withFallback(defaults()));
    } catch (com.typesafe.config.ConfigException e) {
      throw syntax(e, file.toString());
    } catch (StackOverflowError e) {
      throw tooDeep(file.toString());
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
    } catch (StackOverflowError e) {
      throw tooDeep("text");
    }
  }

  /** The defaults, unresolved, with their comments: the resource's and the stages'. */
  Config defaults() {
    Config defaults =
        ConfigFactory.parseResources(
            ConfigurationLoader.class.getClassLoader(), defaultsResource, options(false));
    for (String resource : shared.resources()) {
      Config other =
          ConfigFactory.parseResources(
              ConfigurationLoader.class.getClassLoader(), resource, options(false));
      for (String key : shared.keys()) {
        defaults = defaults.withFallback(other.withOnlyPath(key));
      }
    }
    for (Stage<?> stage : stages()) {
      defaults = defaults.withFallback(defaults(stage));
    }
    return defaults;
  }

  /** Those whose sections the record holds: all, or none. */
  private List<Stage<?>> stages() {
    return Arrays.stream(type.getRecordComponents())
            .anyMatch(component -> component.getType() == Sections.class)
        ? Stages.all()
        : List.of();
  }

  private static Config defaults(Stage<?> stage) {
    String resource = resource(stage);
    ClassLoader loader = stage.getClass().getClassLoader();
    if (loader.getResource(resource) == null) {
      throw new IllegalStateException(
          "the stage "
              + stage.name()
              + " has no defaults: there is no resource "
              + resource
              + " beside "
              + stage.getClass().getName());
    }
    return ConfigFactory.parseResources(loader, resource, options(false));
  }

  private static String resource(Stage<?> stage) {
    return stage.getClass().getPackageName().replace('.', '/') + "/" + stage.defaults();
  }

  /** Whether a value was written in a resource of defaults. */
  private Predicate<ConfigOrigin> isDefault() {
    Set<String> resources =
        Stream.of(
                Stream.of(defaultsResource),
                shared.resources().stream(),
                stages().stream().map(stage -> resource(stage)))
            .flatMap(names -> names)
            .collect(Collectors.toSet());
    return origin -> origin.resource() != null && resources.contains(origin.resource());
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
    ConfigObject tree = resolve(merged).root();
    ConfigObject defaults = resolve(defaults()).root();
    Predicate<ConfigOrigin> isDefault = isDefault();
    T value =
        RecordBinder.bind(
            tree.withoutKey(Templates.KEY), type, Templates.of(tree), defaults, isDefault);
    return new Loaded<>(
        value, RecordWriter.write(value), Settings.of(tree, defaults, isDefault, type));
  }

  private static Config set(List<String> overrides) {
    Config config = ConfigFactory.empty();
    List<ConfigException.Problem> problems = new ArrayList<>();
    for (String override : overrides) {
      String place = "--set " + override;
      int equals = override.indexOf('=');
      if (equals < 1) {
        problems.add(
            new ConfigException.Problem(place, "expected KEY=VALUE, for example --set " + EXAMPLE));
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
        ConfigParseOptions.defaults()
            .setAllowMissing(false)
            .setSyntax(ConfigSyntax.CONF)
            .setClassLoader(ConfigurationLoader.class.getClassLoader());
    return includes ? options.setIncluder(new Includes()) : options;
  }

  private static ConfigException syntax(com.typesafe.config.ConfigException e, String file) {
    String place = e.origin() == null ? file : Places.of(e.origin());
    return new ConfigException(place, reason(e));
  }

  private static ConfigException tooDeep(String file) {
    return new ConfigException(
        file, "has sections or lists within one another to a depth that cannot be read");
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
}
