package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Set;

/** LoHa's keys, as PEFT 0.21 writes and reads them. */
final class LohaJson implements MethodJson<Loha> {
  @Override
  public Class<Loha> method() {
    return Loha.class;
  }

  @Override
  public Set<String> keys() {
    return TargetKeys.with(
        "r",
        "alpha",
        "rank_pattern",
        "alpha_pattern",
        // Of training, of convolutions, or of the start.
        "rank_dropout",
        "module_dropout",
        "use_effective_conv2d",
        "init_weights");
  }

  @Override
  public Loha read(ObjectNode json) {
    return new Loha(
        TargetKeys.read(json),
        AdapterKeys.integer(json.path("r"), "r"),
        AdapterKeys.number(json.path("alpha"), "alpha"),
        AdapterKeys.patterns(json, "rank_pattern", AdapterKeys::integer),
        AdapterKeys.patterns(json, "alpha_pattern", AdapterKeys::number));
  }

  @Override
  public void write(Loha method, ObjectNode json) {
    TargetKeys.write(method.targets(), json);
    json.put("r", method.rank());
    AdapterKeys.put(json, "alpha", method.alpha());
    TargetKeys.writePatterns(method.rankPattern(), method.alphaPattern(), json);
    json.put("rank_dropout", 0.0);
    json.put("module_dropout", 0.0);
    json.put("init_weights", true);
  }
}
