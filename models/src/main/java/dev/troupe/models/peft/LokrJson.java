package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Set;

/** LoKr's keys, as PEFT 0.21 writes and reads them. */
final class LokrJson implements MethodJson<Lokr> {
  @Override
  public Class<Lokr> method() {
    return Lokr.class;
  }

  @Override
  public Set<String> keys() {
    return TargetKeys.with(
        "r",
        "alpha",
        "decompose_factor",
        "decompose_both",
        "rank_pattern",
        "alpha_pattern",
        // Of training, of convolutions, or of the start.
        "rank_dropout",
        "rank_dropout_scale",
        "module_dropout",
        "use_effective_conv2d",
        "init_weights");
  }

  @Override
  public Lokr read(ObjectNode json) {
    return new Lokr(
        TargetKeys.read(json),
        AdapterKeys.integer(json.path("r"), "r"),
        AdapterKeys.number(json.path("alpha"), "alpha"),
        AdapterKeys.off(json.path("decompose_factor"))
            ? -1
            : AdapterKeys.integer(json.path("decompose_factor"), "decompose_factor"),
        AdapterKeys.flag(json, "decompose_both"),
        AdapterKeys.patterns(json, "rank_pattern", AdapterKeys::integer),
        AdapterKeys.patterns(json, "alpha_pattern", AdapterKeys::number));
  }

  @Override
  public void write(Lokr method, ObjectNode json) {
    TargetKeys.write(method.targets(), json);
    json.put("r", method.rank());
    AdapterKeys.put(json, "alpha", method.alpha());
    json.put("decompose_factor", method.factor());
    json.put("decompose_both", method.decomposeBoth());
    TargetKeys.writePatterns(method.rankPattern(), method.alphaPattern(), json);
    json.put("rank_dropout", 0.0);
    json.put("module_dropout", 0.0);
    json.put("init_weights", true);
  }
}
