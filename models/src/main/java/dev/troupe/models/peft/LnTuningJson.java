package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.Set;

/** LN tuning's keys, as PEFT 0.21 writes and reads them. */
final class LnTuningJson implements MethodJson<LnTuning> {
  @Override
  public Class<LnTuning> method() {
    return LnTuning.class;
  }

  @Override
  public Set<String> keys() {
    return Set.of("target_modules");
  }

  @Override
  public Map<String, String> mustBeOff() {
    return Map.of("exclude_modules", "norms that are left out");
  }

  @Override
  public LnTuning read(ObjectNode json) {
    return new LnTuning(AdapterKeys.targets(json));
  }

  @Override
  public void write(LnTuning method, ObjectNode json) {
    json.putNull("exclude_modules");
    AdapterKeys.put(json, "target_modules", method.targets());
  }
}
