package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.StoredWeight;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Some of the model's own tensors, as they are: its last layers, those that a regular expression
 * names, or both. PEFT has no such method: the file has them under the base's own names.
 *
 * @param lastLayers decoder layers from the end, all of whose tensors are trained; may be 0
 * @param pattern a regular expression on whole names of tensors, such as {@code
 *     model.layers.3.mlp.up_proj.weight}
 */
public record Partial(int lastLayers, Optional<String> pattern) implements WholeMethod {
  static final String TYPE = "PARTIAL";

  public Partial {
    if (lastLayers < 0) {
      throw new IllegalArgumentException("last_layers must be at least 0, found " + lastLayers);
    }
    if (lastLayers == 0 && pattern.isEmpty()) {
      throw new IllegalArgumentException("neither last_layers nor pattern says what is trained");
    }
    pattern.ifPresent(NamePattern::of);
  }

  @Override
  public String type() {
    return TYPE;
  }

  @Override
  public Map<String, String> whole(ModelConfig model) {
    if (lastLayers > model.layers()) {
      throw new IllegalArgumentException(
          "the last "
              + lastLayers
              + " layers are to be trained, and the model has "
              + model.layers());
    }
    Set<String> last =
        model.weights().stream()
            .filter(weight -> weight.slot().isOfLayer())
            .filter(weight -> weight.layer() >= model.layers() - lastLayers)
            .flatMap(weight -> weight.parts().stream())
            .map(StoredWeight.Part::name)
            .collect(Collectors.toSet());
    Optional<NamePattern> named = pattern.map(NamePattern::of);
    if (named.isPresent() && model.tensors().keySet().stream().noneMatch(named.get()::matches)) {
      throw new IllegalArgumentException(
          "the regular expression '"
              + pattern.get()
              + "' matches no tensor of this "
              + model.architecture()
              + " as a whole; one of them is "
              + model.tensors().keySet().iterator().next());
    }
    return WholeWeights.named(
        model,
        name -> last.contains(name) || named.filter(regex -> regex.matches(name)).isPresent());
  }

  @Override
  public String describe() {
    return "partial tuning of "
        + (lastLayers > 0 ? "the last " + lastLayers + " layers" : "")
        + (lastLayers > 0 && pattern.isPresent() ? " and " : "")
        + pattern.map(regex -> "what '" + regex + "' matches").orElse("");
  }
}
