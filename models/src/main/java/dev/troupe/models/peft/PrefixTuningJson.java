package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.OptionalInt;
import java.util.Set;

/** Prefix tuning's keys, as PEFT 0.21 writes and reads them. */
final class PrefixTuningJson implements MethodJson<PrefixTuning> {
  @Override
  public Class<PrefixTuning> method() {
    return PrefixTuning.class;
  }

  @Override
  public Set<String> keys() {
    return PromptKeys.with("prefix_projection", "encoder_hidden_size", "init_weights");
  }

  @Override
  public PrefixTuning read(ObjectNode json) {
    return new PrefixTuning(
        PromptKeys.tokens(json),
        PromptKeys.sizes(json),
        AdapterKeys.flag(json, "prefix_projection")
            ? OptionalInt.of(PromptKeys.integer(json, "encoder_hidden_size"))
            : OptionalInt.empty(),
        json.path("init_weights").asText("").equals("zero"));
  }

  @Override
  public void write(PrefixTuning method, ObjectNode json) {
    PromptKeys.write(method, json);
    json.put("encoder_hidden_size", method.hidden().orElse(method.sizes().width()));
    if (method.zero()) {
      json.put("init_weights", "zero");
    } else {
      json.putNull("init_weights");
    }
    json.put("prefix_projection", method.hidden().isPresent());
  }
}
