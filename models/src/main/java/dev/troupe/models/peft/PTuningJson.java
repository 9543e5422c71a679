package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Set;

/** P-tuning's keys, as PEFT 0.21 writes and reads them. */
final class PTuningJson implements MethodJson<PTuning> {
  @Override
  public Class<PTuning> method() {
    return PTuning.class;
  }

  @Override
  public Set<String> keys() {
    return PromptKeys.with(
        "encoder_reparameterization_type",
        "encoder_hidden_size",
        // Of the LSTM alone.
        "encoder_num_layers",
        "encoder_dropout");
  }

  @Override
  public PTuning read(ObjectNode json) {
    String encoder = json.path("encoder_reparameterization_type").asText("MLP");
    AdapterKeys.require(
        encoder.equals("MLP") || encoder.equals("LSTM"),
        "encoder_reparameterization_type '" + encoder + "' is not known; expected MLP or LSTM");
    return new PTuning(
        PromptKeys.tokens(json),
        PromptKeys.sizes(json),
        AdapterKeys.off(json.path("encoder_hidden_size"))
            ? PromptKeys.sizes(json).width()
            : PromptKeys.integer(json, "encoder_hidden_size"),
        encoder.equals("LSTM"),
        true);
  }

  @Override
  public void write(PTuning method, ObjectNode json) {
    PromptKeys.write(method, json);
    json.put("encoder_dropout", 0.0);
    json.put("encoder_hidden_size", method.hidden());
    json.put("encoder_num_layers", 2);
    json.put("encoder_reparameterization_type", method.lstm() ? "LSTM" : "MLP");
  }
}
