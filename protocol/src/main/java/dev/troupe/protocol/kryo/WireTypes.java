package dev.troupe.protocol.kryo;

import com.typesafe.config.Config;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The classes that cross the wire, each by its place: two nodes understand one another when theirs
 * are the same.
 */
public record WireTypes(List<Class<?>> classes) {
  public WireTypes {
    classes = List.copyOf(classes);
  }

  /** Of this module, and of those that {@code troupe.kryo.registrations} names. */
  public static WireTypes of(Config config) {
    List<Class<?>> classes = new ArrayList<>(new ProtocolRegistrations().classes());
    for (String name : config.getStringList("troupe.kryo.registrations")) {
      classes.addAll(registrations(name).classes());
    }
    return new WireTypes(classes);
  }

  private static KryoRegistrations registrations(String name) {
    try {
      return Class.forName(name)
          .asSubclass(KryoRegistrations.class)
          .getDeclaredConstructor()
          .newInstance();
    } catch (ReflectiveOperationException e) {
      throw new IllegalArgumentException(
          "troupe.kryo.registrations names " + name + ", which cannot be made: " + e, e);
    }
  }

  /** Each class with its components or constants, in order: equal where the bytes are. */
  public List<String> described() {
    return classes.stream().map(WireTypes::describe).toList();
  }

  private static String describe(Class<?> type) {
    if (type.isEnum()) {
      return type.getName()
          + Arrays.stream(type.getEnumConstants())
              .map(constant -> ((Enum<?>) constant).name())
              .collect(Collectors.joining(",", "{", "}"));
    }
    return type.isRecord()
        ? type.getName()
            + Arrays.stream(type.getRecordComponents())
                .map(WireTypes::describe)
                .collect(Collectors.joining(",", "(", ")"))
        : type.getName();
  }

  private static String describe(RecordComponent component) {
    return component.getType().getSimpleName() + " " + component.getName();
  }
}
