package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Optional;
import java.util.Set;

/** The keys of what PEFT has not: some of the model's own tensors. */
final class PartialJson implements MethodJson<Partial> {
  @Override
  public Class<Partial> method() {
    return Partial.class;
  }

  @Override
  public Set<String> keys() {
    return Set.of("last_layers", "pattern");
  }

  @Override
  public Partial read(ObjectNode json) {
    return new Partial(
        AdapterKeys.off(json.path("last_layers"))
            ? 0
            : AdapterKeys.integer(json.path("last_layers"), "last_layers"),
        AdapterKeys.off(json.path("pattern"))
            ? Optional.empty()
            : Optional.of(json.path("pattern").asText()));
  }

  @Override
  public void write(Partial method, ObjectNode json) {
    json.put("last_layers", method.lastLayers());
    method
        .pattern()
        .ifPresentOrElse(regex -> json.put("pattern", regex), () -> json.putNull("pattern"));
  }
}
