package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import java.util.Map;

/**
 * Every bias of the model and nothing else (Ben Zaken et al., arXiv:2106.10199). PEFT has no such
 * method: the file has the biases under the base's own names.
 */
public record Bitfit() implements WholeMethod {
  static final String TYPE = "BITFIT";

  @Override
  public String type() {
    return TYPE;
  }

  @Override
  public Map<String, String> whole(ModelConfig model) {
    Map<String, String> biases = WholeWeights.named(model, name -> name.endsWith(".bias"));
    if (biases.isEmpty()) {
      throw new IllegalArgumentException(
          "BitFit trains biases, and this "
              + model.architecture()
              + " has none; train its norms, or an adapter such as lora");
    }
    return biases;
  }

  @Override
  public String describe() {
    return "BitFit";
  }
}
