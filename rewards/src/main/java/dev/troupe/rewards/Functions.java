package dev.troupe.rewards;

import dev.troupe.rlhf.port.RewardFunction;
import dev.troupe.rlhf.port.ScorerException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;

/** The user's functions: those given and those on the class path. */
final class Functions {
  private Functions() {}

  /**
   * The one of this name.
   *
   * @param key of the configuration, for errors
   * @throws ScorerException when there is none, or more than one
   */
  static RewardFunction named(String key, String name, List<RewardFunction> given) {
    List<RewardFunction> all = new ArrayList<>(given);
    try {
      ServiceLoader.load(RewardFunction.class).forEach(all::add);
    } catch (ServiceConfigurationError e) {
      throw new ScorerException(
          key + ": a function on the class path cannot be made: " + e.getMessage(), e);
    }
    List<RewardFunction> found =
        all.stream().filter(function -> Objects.equals(function.name(), name)).toList();
    if (found.size() == 1) {
      return found.get(0);
    }
    if (found.isEmpty()) {
      throw new ScorerException(
          key
              + ": there is no function '"
              + name
              + "'; "
              + (all.isEmpty()
                  ? "there is none at all"
                  : "there are " + all.stream().map(RewardFunction::name).sorted().toList())
              + ". Name it in META-INF/services/"
              + RewardFunction.class.getName()
              + " of a jar on the class path (TROUPE_CLASSPATH), or pass it with the run's"
              + " request");
    }
    throw new ScorerException(
        key
            + ": "
            + found.size()
            + " functions are called '"
            + name
            + "': "
            + found.stream().map(function -> function.getClass().getName()).sorted().toList()
            + "; rename all but one");
  }
}
