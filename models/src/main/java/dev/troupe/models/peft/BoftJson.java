package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Set;

/** BOFT's keys, as PEFT 0.21 writes and reads them. */
final class BoftJson implements MethodJson<Boft> {
  @Override
  public Class<Boft> method() {
    return Boft.class;
  }

  @Override
  public Set<String> keys() {
    return TargetKeys.with(
        "boft_block_size",
        "boft_block_num",
        "boft_n_butterfly_factor",
        "fan_in_fan_out",
        // Of training, or of the start.
        "boft_dropout",
        "bias",
        "init_weights");
  }

  @Override
  public Boft read(ObjectNode json) {
    AdapterKeys.require(
        json.path("bias").asText("none").equals("none"),
        "bias '" + json.path("bias").asText() + "' cannot be used with BOFT; expected none");
    int factors = number(json, "boft_n_butterfly_factor", 1);
    AdapterKeys.require(
        factors == 1,
        "boft_n_butterfly_factor is "
            + factors
            + ", and only one factor is known here; PEFT itself has more with its CUDA extension alone");
    return new Boft(
        TargetKeys.read(json),
        number(json, "boft_block_size", 4),
        number(json, "boft_block_num", 0));
  }

  private static int number(ObjectNode json, String key, int otherwise) {
    return AdapterKeys.off(json.path(key)) ? otherwise : AdapterKeys.integer(json.path(key), key);
  }

  @Override
  public void write(Boft method, ObjectNode json) {
    TargetKeys.write(method.targets(), json);
    json.put("bias", "none");
    json.put("boft_block_num", method.blocks());
    json.put("boft_block_size", method.blockSize());
    json.put("boft_dropout", 0.0);
    json.put("boft_n_butterfly_factor", 1);
    json.put("init_weights", true);
  }
}
