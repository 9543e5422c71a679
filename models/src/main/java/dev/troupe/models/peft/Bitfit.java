package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorData;
import java.util.List;
import java.util.Map;

/**
 * Every bias of the model and nothing else (Ben Zaken et al., arXiv:2106.10199). PEFT has no such
 * method: the file has the biases under the base's own names.
 */
public record Bitfit() implements PeftMethod {
  static final String TYPE = "BITFIT";

  @Override
  public String type() {
    return TYPE;
  }

  @Override
  public List<LinearModule> modules(ModelConfig model) {
    return List.of();
  }

  @Override
  public Map<String, Shape> tensors(ModelConfig model) {
    return Map.of();
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
  public Map<String, WeightChange> changes(ModelConfig model, Map<String, TensorData> tensors) {
    return Map.of();
  }

  @Override
  public boolean isAs(PeftMethod other, ModelConfig model) {
    return other instanceof Bitfit;
  }

  @Override
  public String describe() {
    return "BitFit";
  }
}
