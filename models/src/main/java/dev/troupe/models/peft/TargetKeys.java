package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The keys that say which linear layers a method adapts, and what some of them have of their own.
 */
final class TargetKeys {
  private static final Set<String> KEYS =
      Set.of("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern");

  private TargetKeys() {}

  /** These keys and a method's own. */
  static Set<String> with(String... own) {
    return Stream.concat(KEYS.stream(), Arrays.stream(own)).collect(Collectors.toUnmodifiableSet());
  }

  static Targets read(ObjectNode json) {
    return new Targets(
        AdapterKeys.targets(json),
        AdapterKeys.optionalModules(json, "exclude_modules"),
        AdapterKeys.integers(json, "layers_to_transform"),
        AdapterKeys.texts(json.path("layers_pattern"), "layers_pattern"));
  }

  static void write(Targets targets, ObjectNode json) {
    AdapterKeys.put(json, "target_modules", targets.modules());
    AdapterKeys.putModules(json, "exclude_modules", targets.excluded());
    AdapterKeys.putTexts(json, "layers_pattern", targets.layersPattern());
    if (targets.layers().isEmpty()) {
      json.putNull("layers_to_transform");
    } else {
      targets.layers().forEach(json.putArray("layers_to_transform")::add);
    }
  }

  static void writePatterns(
      Map<String, Integer> ranks, Map<String, Double> alphas, ObjectNode json) {
    ObjectNode ofRanks = json.putObject("rank_pattern");
    ranks.forEach(ofRanks::put);
    ObjectNode ofAlphas = json.putObject("alpha_pattern");
    alphas.forEach((key, value) -> AdapterKeys.put(ofAlphas, key, value));
  }
}
