package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Set;

/** VeRA's keys, as PEFT 0.21 writes and reads them. */
final class VeraJson implements MethodJson<Vera> {
  @Override
  public Class<Vera> method() {
    return Vera.class;
  }

  @Override
  public Set<String> keys() {
    return TargetKeys.with(
        "r",
        "d_initial",
        "projection_prng_key",
        "save_projection",
        "fan_in_fan_out",
        // Of training, or of the start.
        "vera_dropout",
        "bias",
        "init_weights");
  }

  @Override
  public Vera read(ObjectNode json) {
    AdapterKeys.require(
        json.path("bias").asText("none").equals("none"),
        "bias '" + json.path("bias").asText() + "' cannot be used with VeRA; expected none");
    JsonNode key = json.path("projection_prng_key");
    AdapterKeys.require(
        AdapterKeys.off(key) || key.isIntegralNumber(),
        "projection_prng_key must be a whole number, found " + key);
    return new Vera(
        TargetKeys.read(json),
        AdapterKeys.off(json.path("r")) ? 256 : AdapterKeys.integer(json.path("r"), "r"),
        json.path("d_initial").isNumber() ? json.path("d_initial").doubleValue() : 0.1,
        key.asLong(0),
        !json.has("save_projection") || AdapterKeys.flag(json, "save_projection"));
  }

  @Override
  public void write(Vera method, ObjectNode json) {
    TargetKeys.write(method.targets(), json);
    json.put("bias", "none");
    json.put("d_initial", method.start());
    json.put("init_weights", true);
    json.put("projection_prng_key", method.key());
    json.put("r", method.rank());
    json.put("save_projection", method.saved());
    json.put("vera_dropout", 0.0);
  }
}
