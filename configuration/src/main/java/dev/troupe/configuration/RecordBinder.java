package dev.troupe.configuration;

import com.typesafe.config.ConfigList;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigOrigin;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueFactory;
import com.typesafe.config.ConfigValueType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Turns a configuration tree into records. A component {@code maxNewTokens} is the key {@code
 * max-new-tokens}; an enum constant is its kebab-case name; a sealed interface is chosen by the key
 * {@code type}, the kebab-case name of one of its records. A record's compact constructor
 * validates, and its {@link IllegalArgumentException} becomes a problem at the key that its message
 * begins with. Nothing stops at the first problem.
 */
final class RecordBinder {
  /** The key that chooses among the records of a sealed interface. */
  static final String TYPE = "type";

  /** What could not be bound, its problem being reported already. */
  private static final Object FAILED = new Object();

  private static final Pattern PARTS = Pattern.compile("; (?=\\S+ is )");
  private static final Pattern ABOUT_KEY =
      Pattern.compile("([A-Za-z][\\w.-]*):? ((?:is|has|must) .*)");

  private final Templates templates;
  private final Predicate<ConfigOrigin> isDefault;
  private final Map<String, List<String>> knownPaths;
  private final List<ConfigException.Problem> problems = new ArrayList<>();

  private RecordBinder(Templates templates, Predicate<ConfigOrigin> isDefault, Class<?> root) {
    this.templates = templates;
    this.isDefault = isDefault;
    this.knownPaths =
        RecordKeys.of(root).stream()
            .map(RecordKeys.Key::path)
            .filter(path -> !path.startsWith(Templates.KEY + "."))
            .collect(
                Collectors.groupingBy(
                    path -> path.substring(path.lastIndexOf('.') + 1),
                    LinkedHashMap::new,
                    Collectors.toList()));
  }

  /**
   * Binds a resolved tree.
   *
   * @param templates default values of records in lists, maps and sealed interfaces
   * @param isDefault whether a value was written by us, not by the user: a default that belongs to
   *     another choice of a sealed interface is no problem
   * @throws ConfigException with all problems
   */
  static <T> T bind(
      ConfigObject tree, Class<T> type, Templates templates, Predicate<ConfigOrigin> isDefault) {
    RecordBinder binder = new RecordBinder(templates, isDefault, type);
    Object bound = binder.record(tree, type, "");
    if (!binder.problems.isEmpty()) {
      throw new ConfigException(binder.problems);
    }
    return type.cast(bound);
  }

  private Object record(ConfigObject object, Class<?> type, String path) {
    RecordComponent[] components = type.getRecordComponents();
    Object[] arguments = new Object[components.length];
    boolean failed = false;
    for (int i = 0; i < components.length; i++) {
      String key = Names.kebab(components[i].getName());
      ConfigValue value = object.get(key);
      arguments[i] = value(value, components[i].getGenericType(), join(path, key), object.origin());
      failed |= arguments[i] == FAILED;
    }
    failed |= reportUnknown(object, type, path);
    if (failed) {
      return FAILED;
    }
    Class<?>[] types =
        Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
    try {
      var constructor = type.getDeclaredConstructor(types);
      constructor.setAccessible(true);
      return constructor.newInstance(arguments);
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof IllegalArgumentException invalid) {
        return invalid(object, path, String.valueOf(invalid.getMessage()));
      }
      throw new IllegalStateException(type + " does not validate its components", e.getCause());
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("cannot make " + type, e);
    }
  }

  /**
   * A compact constructor's complaint, such as "top-p is 2, allowed: …; top-k is -1, allowed: …":
   * each part is put at the key that it begins with.
   */
  private Object invalid(ConfigObject object, String path, String message) {
    for (String part : PARTS.split(message, -1)) {
      Matcher matcher = ABOUT_KEY.matcher(part);
      String key = matcher.matches() ? Names.kebab(matcher.group(1)) : "";
      ConfigValue value = key.isEmpty() ? null : at(object, List.of(key.split("\\.", -1)));
      if (value == null) {
        problem(object.origin(), path.isEmpty() ? part : "'" + path + "': " + part);
      } else {
        problem(value.origin(), "'" + join(path, key) + "' " + matcher.group(2));
      }
    }
    return FAILED;
  }

  private static @Nullable ConfigValue at(ConfigObject object, List<String> path) {
    ConfigValue value = object.get(path.get(0));
    return path.size() == 1 || !(value instanceof ConfigObject inner)
        ? value
        : at(inner, path.subList(1, path.size()));
  }

  private boolean reportUnknown(ConfigObject object, Class<?> type, String path) {
    List<String> known = RecordKeys.names(type);
    boolean sealedChoice = RecordKeys.isChoice(type);
    boolean found = false;
    for (String key : object.keySet().stream().sorted().toList()) {
      ConfigOrigin origin = object.get(key).origin();
      if (known.contains(key) || (sealedChoice && (key.equals(TYPE) || isDefault.test(origin)))) {
        continue;
      }
      found = true;
      problem(origin, "unknown key '" + join(path, key) + "'" + suggestion(key, known, path, type));
    }
    return found;
  }

  private String suggestion(String key, List<String> known, String path, Class<?> type) {
    for (Class<?> choice : RecordKeys.siblings(type)) {
      if (RecordKeys.names(choice).contains(key)) {
        return String.format(
            Locale.ROOT,
            "; it belongs to type %s, and '%s' is %s",
            Names.kebab(choice.getSimpleName()),
            join(path, TYPE),
            Names.kebab(type.getSimpleName()));
      }
    }
    Optional<String> near = Names.nearest(key, known).map(name -> join(path, name));
    if (near.isEmpty()) {
      near = knownPaths.getOrDefault(key, List.of()).stream().findFirst();
    }
    return near.map(name -> "; did you mean '" + name + "'?")
        .orElse("; known here: " + String.join(", ", known));
  }

  private Object value(
      @Nullable ConfigValue value, Type type, String path, ConfigOrigin parentOrigin) {
    Class<?> raw = raw(type);
    boolean absent = value == null || value.valueType() == ConfigValueType.NULL;
    if (raw == Optional.class) {
      if (value == null || absent) {
        return Optional.empty();
      }
      Type held = argument(type, 0);
      return mapOk(
          value(templates.complete(value, raw(held)), held, path, parentOrigin), Optional::of);
    }
    if (raw == OptionalInt.class) {
      return absent
          ? OptionalInt.empty()
          : mapOk(value(value, int.class, path, parentOrigin), it -> OptionalInt.of((Integer) it));
    }
    if (raw == OptionalLong.class) {
      return absent
          ? OptionalLong.empty()
          : mapOk(value(value, long.class, path, parentOrigin), it -> OptionalLong.of((Long) it));
    }
    if (raw == OptionalDouble.class) {
      return absent
          ? OptionalDouble.empty()
          : mapOk(
              value(value, double.class, path, parentOrigin), it -> OptionalDouble.of((Double) it));
    }
    if (value == null || value.valueType() == ConfigValueType.NULL) {
      return problem(
          value == null ? parentOrigin : value.origin(),
          "missing key '" + path + "', expected " + RecordKeys.describe(type));
    }
    if (raw == List.class) {
      return value instanceof ConfigList list
          ? list(list, argument(type, 0), path)
          : wrongType(value, type, path);
    }
    if (raw == Map.class) {
      return value instanceof ConfigObject object
          ? map(object, argument(type, 1), path)
          : wrongType(value, type, path);
    }
    if (raw.isRecord()) {
      return value instanceof ConfigObject object
          ? record(object, raw, path)
          : wrongType(value, type, path);
    }
    if (raw.isSealed()) {
      return choice(value, raw, path);
    }
    return scalar(value, raw, path);
  }

  private Object list(ConfigList list, Type element, String path) {
    List<Object> bound = new ArrayList<>();
    for (int i = 0; i < list.size(); i++) {
      ConfigValue value = templates.complete(list.get(i), raw(element));
      bound.add(value(value, element, path + "[" + i + "]", list.origin()));
    }
    return bound.contains(FAILED) ? FAILED : List.copyOf(bound);
  }

  private Object map(ConfigObject object, Type element, String path) {
    Map<String, Object> bound = new LinkedHashMap<>();
    object.entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .filter(entry -> entry.getValue().valueType() != ConfigValueType.NULL)
        .forEach(
            entry ->
                bound.put(
                    entry.getKey(),
                    value(
                        templates.complete(entry.getValue(), raw(element)),
                        element,
                        join(path, entry.getKey()),
                        object.origin())));
    return bound.containsValue(FAILED) ? FAILED : bound;
  }

  private Object choice(ConfigValue value, Class<?> type, String path) {
    Map<String, Class<?>> choices = RecordKeys.choices(type);
    ConfigValue chosen = value;
    if (value instanceof ConfigObject object) {
      chosen = object.get(TYPE);
      if (chosen == null) {
        return problem(
            object.origin(),
            "missing key '" + join(path, TYPE) + "', expected " + RecordKeys.describe(type));
      }
    }
    Class<?> record =
        chosen.valueType() == ConfigValueType.STRING
            ? choices.get((String) chosen.unwrapped())
            : null;
    if (record == null) {
      String name = String.valueOf(chosen.unwrapped());
      return problem(
          chosen.origin(),
          "'"
              + (chosen == value ? path : join(path, TYPE))
              + "' is "
              + shown(chosen)
              + ", expected "
              + RecordKeys.describe(type)
              + Names.nearest(name, choices.keySet())
                  .map(near -> "; did you mean '" + near + "'?")
                  .orElse(""));
    }
    ConfigObject fields =
        value instanceof ConfigObject object
            ? object
            : ConfigValueFactory.fromMap(Map.of()).withOrigin(value.origin());
    return record((ConfigObject) templates.complete(fields, record), record, path);
  }

  private Object scalar(ConfigValue value, Class<?> type, String path) {
    Object plain = value.unwrapped();
    if (plain instanceof Map || plain instanceof List) {
      return wrongType(value, type, path);
    }
    String text = String.valueOf(plain);
    try {
      if (type == String.class) {
        return text;
      }
      if (type == Path.class) {
        return Path.of(text);
      }
      if (type == double.class || type == Double.class) {
        return plain instanceof Number number ? number.doubleValue() : Double.parseDouble(text);
      }
      if (type == int.class || type == Integer.class) {
        return Math.toIntExact(wholeNumber(plain));
      }
      if (type == long.class || type == Long.class) {
        return wholeNumber(plain);
      }
      if (type == Duration.class) {
        return value.atKey("d").getDuration("d");
      }
    } catch (NumberFormatException | com.typesafe.config.ConfigException e) {
      return wrongType(value, type, path);
    } catch (ArithmeticException e) {
      return problem(
          value.origin(),
          "'" + path + "' is " + shown(value) + ", too large for " + RecordKeys.describe(type));
    }
    if (type == boolean.class || type == Boolean.class) {
      return switch (text) {
        case "true", "yes", "on" -> true;
        case "false", "no", "off" -> false;
        default -> wrongType(value, type, path);
      };
    }
    if (type.isEnum()) {
      return enumConstant(value, type, path, text);
    }
    throw new IllegalStateException(
        "'" + path + "' has type " + type + ", which no configuration file can express");
  }

  private Object enumConstant(ConfigValue value, Class<?> type, String path, String text) {
    Map<String, Object> constants = new LinkedHashMap<>();
    for (Object constant : type.getEnumConstants()) {
      constants.put(Names.kebab(((Enum<?>) constant).name()), constant);
    }
    Object constant = constants.get(text);
    if (constant != null) {
      return constant;
    }
    return problem(
        value.origin(),
        "'"
            + path
            + "' is "
            + shown(value)
            + ", expected "
            + RecordKeys.describe(type)
            + Names.nearest(text, constants.keySet())
                .map(near -> "; did you mean '" + near + "'?")
                .orElse(""));
  }

  private static long wholeNumber(Object plain) {
    if (plain instanceof Integer || plain instanceof Long) {
      return ((Number) plain).longValue();
    }
    if (plain instanceof Double number) {
      if (number != Math.rint(number)) {
        throw new NumberFormatException("not whole");
      }
      return number.longValue();
    }
    return Long.parseLong(String.valueOf(plain));
  }

  private Object wrongType(ConfigValue value, Type type, String path) {
    return problem(
        value.origin(),
        "'" + path + "' is " + shown(value) + ", expected " + RecordKeys.describe(type));
  }

  /** A value as its author wrote it, with its kind. */
  private static String shown(ConfigValue value) {
    return switch (value.valueType()) {
      case STRING -> "the text \"" + value.unwrapped() + "\"";
      case NUMBER -> "the number " + value.unwrapped();
      case BOOLEAN -> "the boolean " + value.unwrapped();
      case LIST -> "a list";
      case OBJECT -> "a section { … }";
      case NULL -> "null";
    };
  }

  private Object problem(ConfigOrigin origin, String text) {
    problems.add(new ConfigException.Problem(Places.of(origin), text));
    return FAILED;
  }

  private static Object mapOk(Object value, Function<? super Object, ?> function) {
    return value == FAILED ? FAILED : function.apply(value);
  }

  private static String join(String path, String key) {
    return path.isEmpty() ? key : path + "." + key;
  }

  static Class<?> raw(Type type) {
    return type instanceof ParameterizedType generic
        ? (Class<?>) generic.getRawType()
        : (Class<?>) type;
  }

  static Type argument(Type type, int index) {
    return ((ParameterizedType) type).getActualTypeArguments()[index];
  }
}
