package dev.troupe.configuration;

import com.typesafe.config.ConfigList;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigOrigin;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueFactory;
import com.typesafe.config.ConfigValueType;
import dev.troupe.rlhf.limits.OutOfLimits;
import dev.troupe.rlhf.stage.Sections;
import dev.troupe.rlhf.stage.Stage;
import dev.troupe.rlhf.stage.Stages;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Turns a configuration tree into records. A component {@code maxNewTokens} is the key {@code
 * max-new-tokens}; an enum constant is its kebab-case name; a sealed interface is chosen by the key
 * {@code type}, the kebab-case name of one of its records. A record's compact constructor
 * validates, and each problem of its {@link OutOfLimits} is told at its key. Nothing stops at the
 * first problem: a record is validated although some of its keys failed, with their defaults in
 * their places, and what is then said of those keys is left out.
 */
final class RecordBinder {
  /** The key that chooses among the records of a sealed interface. */
  static final String TYPE = "type";

  /** What could not be bound, its problem being reported already. */
  private static final Object FAILED = new Object();

  private final Templates templates;
  private final Templates standIns;
  private final Predicate<ConfigOrigin> isDefault;
  private final Suggestions suggestions;
  private final List<ConfigException.Problem> problems = new ArrayList<>();

  private RecordBinder(
      Templates templates, Templates standIns, Predicate<ConfigOrigin> isDefault, Class<?> root) {
    this.templates = templates;
    this.standIns = standIns;
    this.isDefault = isDefault;
    this.suggestions = new Suggestions(root);
  }

  /**
   * Binds a resolved tree.
   *
   * @param templates default values of records in lists, maps and sealed interfaces
   * @param defaults a tree without problems, whose values stand in for those that have some, so
   *     that the keys around these are validated too; its templates under {@link Templates#KEY}
   * @param isDefault whether a value was written by us, not by the user: a default that belongs to
   *     another choice of a sealed interface is no problem
   * @throws ConfigException with all problems
   */
  static <T> T bind(
      ConfigObject tree,
      Class<T> type,
      Templates templates,
      ConfigObject defaults,
      Predicate<ConfigOrigin> isDefault) {
    RecordBinder binder = new RecordBinder(templates, Templates.of(defaults), isDefault, type);
    Object bound = binder.record(tree, type, "", defaults);
    if (!binder.problems.isEmpty()) {
      throw new ConfigException(binder.problems);
    }
    return type.cast(bound);
  }

  private Object record(
      ConfigObject object, Class<?> type, String path, @Nullable ConfigObject defaults) {
    RecordComponent[] components = type.getRecordComponents();
    Object[] arguments = new Object[components.length];
    Set<String> failed = new HashSet<>();
    for (int i = 0; i < components.length; i++) {
      if (components[i].getType() == Sections.class) {
        arguments[i] = sections(object, path, defaults, failed);
      } else {
        String key = Names.kebab(components[i].getName());
        arguments[i] = entry(object, key, components[i].getGenericType(), path, defaults, failed);
      }
    }
    boolean unknown = reportUnknown(object, type, path);
    if (Arrays.asList(arguments).contains(FAILED)) {
      return FAILED;
    }
    Object made = made(object, type, path, arguments, failed);
    return failed.isEmpty() && !unknown ? made : FAILED;
  }

  /** One key's value; where that has problems, its default, and the key among those that failed. */
  private Object entry(
      ConfigObject object,
      String key,
      Type held,
      String path,
      @Nullable ConfigObject defaults,
      Set<String> failed) {
    ConfigValue standIn = defaults == null ? null : defaults.get(key);
    Object bound = value(object.get(key), held, join(path, key), object.origin(), standIn);
    if (bound != FAILED) {
      return bound;
    }
    failed.add(key);
    return quietly(standIn, held, join(path, key), object.origin());
  }

  /** Of every stage there is; each is a key beside the others. */
  private Object sections(
      ConfigObject object, String path, @Nullable ConfigObject defaults, Set<String> failed) {
    Map<String, Record> sections = new LinkedHashMap<>();
    for (Stage<?> stage : Stages.all()) {
      Object bound = entry(object, stage.name(), stage.config(), path, defaults, failed);
      if (bound == FAILED) {
        return FAILED;
      }
      sections.put(stage.name(), stage.config().cast(bound));
    }
    return new Sections(sections);
  }

  /** A default in the place of a value that has problems; they have been told. */
  private Object quietly(
      @Nullable ConfigValue standIn, Type type, String path, ConfigOrigin origin) {
    if (standIn == null) {
      return FAILED;
    }
    int told = problems.size();
    Object value = value(standIn, type, path, origin, standIn);
    problems.subList(told, problems.size()).clear();
    return value;
  }

  private Object made(
      ConfigObject object, Class<?> type, String path, Object[] arguments, Set<String> failed) {
    Class<?>[] types =
        Arrays.stream(type.getRecordComponents())
            .map(RecordComponent::getType)
            .toArray(Class<?>[]::new);
    try {
      var constructor = type.getDeclaredConstructor(types);
      constructor.setAccessible(true);
      return constructor.newInstance(arguments);
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof OutOfLimits invalid) {
        invalid.problems().stream()
            .filter(problem -> !isAbout(problem, failed))
            .forEach(problem -> tell(object, path, problem));
        return FAILED;
      }
      throw new IllegalStateException(
          type + " validates its components otherwise than by Limits", e.getCause());
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("cannot make " + type, e);
    }
  }

  /** Whether what is wrong may come from a default that stands in for a key that failed. */
  private static boolean isAbout(OutOfLimits.Problem problem, Set<String> failed) {
    return Stream.concat(Stream.of(problem.key()), problem.others().stream())
        .anyMatch(key -> failed.contains(key.split("\\.", -1)[0]));
  }

  private void tell(ConfigObject object, String path, OutOfLimits.Problem problem) {
    ConfigValue value = at(object, List.of(problem.key().split("\\.", -1)));
    problem(
        value == null ? object.origin() : value.origin(),
        "'" + join(path, problem.key()) + "' " + problem.text());
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
      problem(origin, "unknown key '" + join(path, key) + "'" + suggestions.of(key, path, type));
    }
    return found;
  }

  private Object value(
      @Nullable ConfigValue value,
      Type type,
      String path,
      ConfigOrigin parentOrigin,
      @Nullable ConfigValue standIn) {
    Class<?> raw = raw(type);
    boolean absent = value == null || value.valueType() == ConfigValueType.NULL;
    if (raw == Optional.class) {
      if (value == null || absent) {
        return Optional.empty();
      }
      Type held = argument(type, 0);
      return mapOk(
          value(
              templates.complete(value, raw(held)),
              held,
              path,
              parentOrigin,
              standIns.byName(raw(held))),
          Optional::of);
    }
    if (raw == OptionalInt.class) {
      return absent
          ? OptionalInt.empty()
          : mapOk(
              value(value, int.class, path, parentOrigin, null),
              it -> OptionalInt.of((Integer) it));
    }
    if (raw == OptionalLong.class) {
      return absent
          ? OptionalLong.empty()
          : mapOk(
              value(value, long.class, path, parentOrigin, null), it -> OptionalLong.of((Long) it));
    }
    if (raw == OptionalDouble.class) {
      return absent
          ? OptionalDouble.empty()
          : mapOk(
              value(value, double.class, path, parentOrigin, null),
              it -> OptionalDouble.of((Double) it));
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
          ? record(object, raw, path, standIn instanceof ConfigObject defaults ? defaults : null)
          : wrongType(value, type, path);
    }
    if (RecordKeys.isChosen(raw)) {
      return choice(value, raw, path);
    }
    return scalar(value, raw, path);
  }

  private Object list(ConfigList list, Type element, String path) {
    List<Object> bound = new ArrayList<>();
    for (int i = 0; i < list.size(); i++) {
      ConfigValue value = templates.complete(list.get(i), raw(element));
      bound.add(
          value(
              value, element, path + "[" + i + "]", list.origin(), standIns.byName(raw(element))));
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
                        object.origin(),
                        standIns.byName(raw(element)))));
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
    return record(
        (ConfigObject) templates.complete(fields, record), record, path, standIns.byName(record));
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
    if (type == Stage.class) {
      return stage(value, path, text);
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
    return named(value, type, path, text, constants);
  }

  private Object stage(ConfigValue value, String path, String text) {
    Map<String, Object> stages = new LinkedHashMap<>();
    Stages.all().forEach(stage -> stages.put(stage.name(), stage));
    return named(value, Stage.class, path, text, stages);
  }

  private Object named(
      ConfigValue value, Class<?> type, String path, String text, Map<String, Object> known) {
    Object found = known.get(text);
    if (found != null) {
      return found;
    }
    return problem(
        value.origin(),
        expected(value, type, path)
            + Names.nearest(text, known.keySet())
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
    return problem(value.origin(), expected(value, type, path) + inItsPlace(value, type, path));
  }

  private static String expected(ConfigValue value, Type type, String path) {
    return "'" + path + "' is " + shown(value) + ", expected " + RecordKeys.describe(type);
  }

  /** Of a text where a section stands whose first key is a text. */
  private static String inItsPlace(ConfigValue value, Type type, String path) {
    if (value.valueType() != ConfigValueType.STRING
        || !(type instanceof Class<?> raw)
        || !raw.isRecord()) {
      return "";
    }
    RecordComponent first = raw.getRecordComponents()[0];
    return first.getType() == String.class
        ? "; did you mean '" + path + "." + Names.kebab(first.getName()) + "'?"
        : "";
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
    if (type instanceof ParameterizedType generic) {
      return (Class<?>) generic.getRawType();
    }
    return type instanceof Class<?> plain ? plain : Object.class;
  }

  static Type argument(Type type, int index) {
    return ((ParameterizedType) type).getActualTypeArguments()[index];
  }
}
