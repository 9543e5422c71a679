package dev.troupe.rewards;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.function.Function;

/**
 * Things of the user's that the configuration names: those given and those on the class path.
 *
 * @param kind what one is called in messages
 * @param refusal by a message
 */
record Services<T>(
    Class<T> type,
    String kind,
    Function<T, String> naming,
    Function<String, RuntimeException> refusal) {
  /**
   * The one of this name; a refusal when there is none, or more than one.
   *
   * @param key of the configuration, for errors
   */
  T named(String key, String name, List<T> given) {
    List<T> all = new ArrayList<>(given);
    try {
      ServiceLoader.load(type).forEach(all::add);
    } catch (ServiceConfigurationError e) {
      RuntimeException refused =
          refusal.apply(
              key + ": one " + kind + " on the class path cannot be made: " + e.getMessage());
      refused.initCause(e);
      throw refused;
    }
    List<T> found = all.stream().filter(one -> Objects.equals(naming.apply(one), name)).toList();
    if (found.size() == 1) {
      return found.get(0);
    }
    if (found.isEmpty()) {
      throw refusal.apply(
          key
              + ": there is no "
              + kind
              + " '"
              + name
              + "'; "
              + (all.isEmpty()
                  ? "there is none at all"
                  : "there are " + all.stream().map(naming).sorted().toList())
              + ". Name it in META-INF/services/"
              + type.getName()
              + " of a jar on the class path (TROUPE_CLASSPATH), or pass it with the run's"
              + " request");
    }
    throw refusal.apply(
        key
            + ": "
            + found.size()
            + " "
            + kind
            + "s are called '"
            + name
            + "': "
            + found.stream().map(one -> one.getClass().getName()).sorted().toList()
            + "; rename all but one");
  }
}
