package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Set;

/** IA3's keys, as PEFT 0.21 writes and reads them. */
final class Ia3Json implements MethodJson<Ia3> {
  @Override
  public Class<Ia3> method() {
    return Ia3.class;
  }

  @Override
  public Set<String> keys() {
    return Set.of(
        "target_modules",
        "exclude_modules",
        "feedforward_modules",
        "fan_in_fan_out",
        "init_ia3_weights");
  }

  @Override
  public Ia3 read(ObjectNode json) {
    return new Ia3(
        new Targets(
            AdapterKeys.targets(json),
            AdapterKeys.optionalModules(json, "exclude_modules"),
            List.of(),
            List.of()),
        AdapterKeys.optionalModules(json, "feedforward_modules")
            .orElseGet(() -> new Modules.Names(List.of())));
  }

  @Override
  public void write(Ia3 method, ObjectNode json) {
    AdapterKeys.put(json, "target_modules", method.targets().modules());
    AdapterKeys.putModules(json, "exclude_modules", method.targets().excluded());
    AdapterKeys.put(json, "feedforward_modules", method.feedforward());
    json.put("init_ia3_weights", true);
  }
}
