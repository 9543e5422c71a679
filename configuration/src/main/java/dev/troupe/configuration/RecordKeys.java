package dev.troupe.configuration;

import dev.troupe.rlhf.stage.Sections;
import dev.troupe.rlhf.stage.Stage;
import dev.troupe.rlhf.stage.Stages;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.stream.Collectors;

/** The keys that a tree of records reads, in the records' order. */
final class RecordKeys {
  private RecordKeys() {}

  /**
   * One key.
   *
   * @param path from the root, such as {@code ppo.epochs}; records in lists, maps and sealed
   *     interfaces are listed under {@code template.NAME}
   * @param type what it holds
   */
  record Key(String path, Type type) {
    /** Whether the key holds a record, whose own keys follow. */
    boolean isSection() {
      return recordOf(type).isPresent();
    }
  }

  /**
   * What a record has in a file: a key for each component, and one for each stage where it holds
   * the stages' sections.
   *
   * @param name in kebab case
   */
  record Entry(String name, Type type) {}

  /** In the record's order. */
  static List<Entry> entries(Class<?> record) {
    List<Entry> entries = new ArrayList<>();
    for (RecordComponent component : record.getRecordComponents()) {
      if (component.getType() == Sections.class) {
        Stages.all().forEach(stage -> entries.add(new Entry(stage.name(), stage.config())));
      } else {
        entries.add(new Entry(Names.kebab(component.getName()), component.getGenericType()));
      }
    }
    return entries;
  }

  /** All keys of a record and of the records in it, sections included. */
  static List<Key> of(Class<?> root) {
    List<Key> keys = new ArrayList<>();
    Map<String, Class<?>> templates = new LinkedHashMap<>();
    collect(root, "", keys, templates);
    List<String> done = new ArrayList<>();
    while (done.size() < templates.size()) {
      for (Map.Entry<String, Class<?>> template : List.copyOf(templates.entrySet())) {
        if (!done.contains(template.getKey())) {
          done.add(template.getKey());
          String path = Templates.KEY + "." + template.getKey();
          keys.add(new Key(path, template.getValue()));
          collect(template.getValue(), path, keys, templates);
        }
      }
    }
    return keys;
  }

  private static void collect(
      Class<?> record, String path, List<Key> keys, Map<String, Class<?>> templates) {
    for (Entry entry : entries(record)) {
      String key = path.isEmpty() ? entry.name() : path + "." + entry.name();
      Type type = entry.type();
      keys.add(new Key(key, type));
      Optional<Class<?>> section = recordOf(type);
      if (section.isPresent()) {
        collect(section.get(), key, keys, templates);
      } else {
        elementRecords(type).forEach(it -> templates.put(Templates.name(it), it));
      }
    }
  }

  /**
   * The full names of all keys that may stand in a configuration, sections included, whatever
   * choices are made; those of elements of lists and maps left out.
   */
  static List<String> paths(Class<?> root) {
    List<String> paths = new ArrayList<>();
    paths(root, "", paths);
    return paths;
  }

  private static void paths(Class<?> record, String path, List<String> paths) {
    for (Entry entry : entries(record)) {
      String key = path.isEmpty() ? entry.name() : path + "." + entry.name();
      if (!paths.contains(key)) {
        paths.add(key);
      }
      Type type = entry.type();
      Class<?> held = RecordBinder.raw(type);
      if (held == Optional.class) {
        held = RecordBinder.raw(RecordBinder.argument(type, 0));
      }
      if (held.isRecord()) {
        paths(held, key, paths);
      } else if (isChosen(held)) {
        choices(held).values().forEach(choice -> paths(choice, key, paths));
      }
    }
  }

  /** The record that a key always holds; one that may be absent has a template. */
  private static Optional<Class<?>> recordOf(Type type) {
    Class<?> raw = RecordBinder.raw(type);
    return raw.isRecord() ? Optional.of(raw) : Optional.empty();
  }

  /** The records with keys of their own that a list, map or sealed interface may hold. */
  private static List<Class<?>> elementRecords(Type type) {
    Class<?> raw = RecordBinder.raw(type);
    if (type instanceof ParameterizedType generic) {
      List<Class<?>> records = new ArrayList<>();
      for (Type argument : generic.getActualTypeArguments()) {
        Class<?> element = RecordBinder.raw(argument);
        if (element.isRecord()) {
          records.add(element);
        } else {
          records.addAll(elementRecords(argument));
        }
      }
      return records;
    }
    return isChosen(raw)
        ? choices(raw).values().stream()
            .filter(it -> it.getRecordComponents().length > 0)
            .collect(Collectors.toList())
        : List.of();
  }

  /** Whether {@code type} chooses what it is; an enum with bodies is sealed too. */
  static boolean isChosen(Class<?> type) {
    return type.isInterface() && type.isSealed();
  }

  /** The records of a sealed interface by the value of {@code type} that chooses them. */
  static Map<String, Class<?>> choices(Class<?> type) {
    Map<String, Class<?>> choices = new LinkedHashMap<>();
    for (Class<?> permitted : type.getPermittedSubclasses()) {
      choices.put(chosenBy(permitted), permitted);
    }
    return choices;
  }

  /**
   * The value of {@code type} that chooses a record: its kebab-case name, without that of its
   * sealed interface where it ends with it. A template goes by the whole name, so that two
   * interfaces can have a choice of one name.
   */
  static String chosenBy(Class<?> record) {
    String name = Names.kebab(record.getSimpleName());
    for (Class<?> parent : record.getInterfaces()) {
      String noun = "-" + Templates.name(parent);
      if (parent.isSealed() && name.endsWith(noun)) {
        return name.substring(0, name.length() - noun.length());
      }
    }
    return name;
  }

  /** Whether a record is one choice of a sealed interface. */
  static boolean isChoice(Class<?> record) {
    return Arrays.stream(record.getInterfaces()).anyMatch(Class::isSealed);
  }

  /**
   * All records of the sealed interface that a record is one choice of; empty for another record.
   */
  static List<Class<?>> siblings(Class<?> record) {
    return Arrays.stream(record.getInterfaces())
        .filter(Class::isSealed)
        .<Class<?>>flatMap(parent -> choices(parent).values().stream())
        .toList();
  }

  /** The keys of one record. */
  static List<String> names(Class<?> record) {
    return entries(record).stream().map(Entry::name).toList();
  }

  /** What a key of this type expects, in words. */
  static String describe(Type type) {
    Class<?> raw = RecordBinder.raw(type);
    if (raw == Optional.class) {
      return describe(RecordBinder.argument(type, 0)) + " or null";
    }
    if (raw == OptionalInt.class || raw == OptionalLong.class) {
      return "a whole number or null";
    }
    if (raw == OptionalDouble.class) {
      return "a number or null";
    }
    if (raw == List.class) {
      return "a list, each element " + describe(RecordBinder.argument(type, 0));
    }
    if (raw == Map.class) {
      return "a section, each value " + describe(RecordBinder.argument(type, 1));
    }
    if (raw == int.class || raw == long.class || raw == Integer.class || raw == Long.class) {
      return "a whole number";
    }
    if (raw == double.class || raw == Double.class) {
      return "a number";
    }
    if (raw == boolean.class || raw == Boolean.class) {
      return "true or false";
    }
    if (raw == String.class) {
      return "a text";
    }
    if (raw == Path.class) {
      return "a path";
    }
    if (raw == Duration.class) {
      return "a duration such as 30s";
    }
    if (raw == Stage.class) {
      return "one of " + String.join(", ", Stages.names());
    }
    if (raw.isEnum()) {
      return "one of "
          + Arrays.stream(raw.getEnumConstants())
              .map(constant -> Names.kebab(((Enum<?>) constant).name()))
              .collect(Collectors.joining(", "));
    }
    if (isChosen(raw)) {
      return "a type of " + String.join(", ", choices(raw).keySet());
    }
    return "a section { … }";
  }
}
