package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The linear layers that a method has parameters for, as PEFT's keys state them.
 *
 * @param modules which
 * @param excluded of these
 * @param layers the only decoder layers; empty for all
 * @param layersPattern what the list of decoder layers is called, for {@code layers}; empty for any
 */
public record Targets(
    Modules modules, Optional<Modules> excluded, List<Integer> layers, List<String> layersPattern) {
  public Targets {
    layers = List.copyOf(layers);
    layersPattern = List.copyOf(layersPattern);
    if (!layers.isEmpty() && !(modules instanceof Modules.Names)) {
      throw new IllegalArgumentException(
          "layers_to_transform goes with target_modules as a list of names only");
    }
    if (!layersPattern.isEmpty() && layers.isEmpty()) {
      throw new IllegalArgumentException("layers_pattern goes with layers_to_transform only");
    }
  }

  /** Of every decoder layer. */
  public Targets(Modules modules) {
    this(modules, Optional.empty(), List.of(), List.of());
  }

  /** Those of a model, in the order of the network; may be none. */
  List<LinearModule> of(ModelConfig model) {
    List<LinearModule> found = new ArrayList<>();
    for (LinearModule module : LinearModule.of(model)) {
      if (has(module.name())) {
        found.add(module);
      }
    }
    return found;
  }

  /** Names that no linear layer of the model has; empty when all are found. */
  public List<String> unknown(ModelConfig model) {
    if (!(modules instanceof Modules.Names list)) {
      return List.of();
    }
    List<LinearModule> all = LinearModule.of(model);
    return list.names().stream()
        .filter(name -> all.stream().noneMatch(module -> Modules.named(module.name(), name)))
        .sorted()
        .toList();
  }

  boolean has(String module) {
    boolean found =
        modules.contains(module) && excluded.filter(out -> out.contains(module)).isEmpty();
    return found && (layers.isEmpty() || layer(module).filter(layers::contains).isPresent());
  }

  /** The index of a decoder layer in a name. */
  private Optional<Integer> layer(String module) {
    List<String> names = layersPattern.isEmpty() ? List.of("[^.]*") : layersPattern;
    for (String name : names) {
      Matcher matcher = Pattern.compile(".*\\." + name + "\\.(\\d{1,9})\\..*").matcher(module);
      if (matcher.matches()) {
        return Optional.of(Integer.valueOf(matcher.group(1)));
      }
    }
    return Optional.empty();
  }

  /** The first value whose pattern a layer's name ends with. */
  static <T> Optional<T> first(Map<String, T> patterns, String module) {
    return patterns.entrySet().stream()
        .filter(entry -> NamePattern.ofEnd(entry.getKey()).matches(module))
        .findFirst()
        .map(Map.Entry::getValue);
  }

  /** For people. */
  String describe() {
    return modules.describe()
        + (excluded.isPresent() ? " without some" : "")
        + (layers.isEmpty() ? "" : " of layers " + layers);
  }
}
