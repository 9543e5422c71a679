package dev.troupe.rlhf.selfinstruct;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * An example of a task.
 *
 * @param input empty where the instruction says it all
 */
public record Instance(String input, String output) {
  /**
   * Those that are examples: with an output that is not the input again, not broken off at a colon,
   * each once, and none whose input has another output as well.
   *
   * @param dropped hears why, of each other
   */
  static List<Instance> sound(List<Instance> instances, DropCount dropped) {
    Map<String, Set<String>> outputs = new HashMap<>();
    instances.stream()
        .filter(one -> !one.output.isEmpty())
        .forEach(
            one -> outputs.computeIfAbsent(one.input, input -> new HashSet<>()).add(one.output));
    List<Instance> sound = new ArrayList<>();
    for (Instance one : instances) {
      if (one.output.isEmpty()) {
        dropped.add(Drop.NO_OUTPUT);
      } else if (one.output.equals(one.input)) {
        dropped.add(Drop.OUTPUT_IS_INPUT);
      } else if (one.input.endsWith(":") || one.output.endsWith(":")) {
        dropped.add(Drop.BROKEN_OFF);
      } else if (sound.contains(one)) {
        dropped.add(Drop.REPEATED_INSTANCE);
      } else if (outputs.getOrDefault(one.input, Set.of()).size() > 1) {
        dropped.add(Drop.CONTRADICTION);
      } else {
        sound.add(one);
      }
    }
    return sound;
  }
}
