package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.StoredWeight;
import java.util.ArrayList;
import java.util.List;

/**
 * One linear layer of a model that an adapter may change.
 *
 * @param layer of the decoder
 * @param place in that layer; a family that has queries, keys and values in one has it in the place
 *     of q_proj, one with gate and up in one in that of gate_proj
 * @param name as the checkpoint names its weight, for example {@code
 *     model.layers.0.self_attn.q_proj}
 * @param firstRow where its rows begin in the kernels' matrix of its group
 * @param transposed whether the checkpoint stores (inputs, outputs)
 */
public record LinearModule(
    int layer,
    AdaptedLinear place,
    String name,
    int inputs,
    int outputs,
    int firstRow,
    boolean transposed) {
  private static final String WEIGHT = ".weight";

  /** All of a model, in the order of the network. */
  public static List<LinearModule> of(ModelConfig model) {
    List<LinearModule> modules = new ArrayList<>();
    for (StoredWeight weight : model.weights()) {
      List<AdaptedLinear> places = places(weight, model.decoder().mlp().gated());
      int row = 0;
      for (int i = 0; i < places.size(); i++) {
        StoredWeight.Part part = weight.parts().get(i);
        modules.add(
            new LinearModule(
                weight.layer(),
                places.get(i),
                part.name().substring(0, part.name().length() - WEIGHT.length()),
                weight.columns(),
                part.rows(),
                row,
                weight.transposed()));
        row += part.rows();
      }
    }
    return modules;
  }

  private static List<AdaptedLinear> places(StoredWeight weight, boolean gated) {
    boolean one = weight.parts().size() == 1;
    return switch (weight.slot()) {
      case QKV ->
          one
              ? List.of(AdaptedLinear.Q_PROJ)
              : List.of(AdaptedLinear.Q_PROJ, AdaptedLinear.K_PROJ, AdaptedLinear.V_PROJ);
      case OUT -> List.of(AdaptedLinear.O_PROJ);
      case UP -> {
        if (!gated) {
          yield List.of(AdaptedLinear.UP_PROJ);
        }
        yield one
            ? List.of(AdaptedLinear.GATE_PROJ)
            : List.of(AdaptedLinear.GATE_PROJ, AdaptedLinear.UP_PROJ);
      }
      case DOWN -> List.of(AdaptedLinear.DOWN_PROJ);
      default -> List.of();
    };
  }

  /** The name of LoRA's A, {@code (rank, inputs)}. */
  public String nameOfA() {
    return name + ".lora_A.weight";
  }

  /** The name of LoRA's B, {@code (outputs, rank)}. */
  public String nameOfB() {
    return name + ".lora_B.weight";
  }

  /** The name of the bias that a B may have of its own, {@code (outputs)}. */
  public String nameOfBiasOfB() {
    return name + ".lora_B.bias";
  }

  /** The name of its bias in the checkpoint, where it has one, {@code (outputs)}. */
  public String nameOfBias() {
    return name + ".bias";
  }

  /** The name of DoRA's magnitudes, {@code (outputs)}. */
  public String nameOfMagnitude() {
    return name + ".lora_magnitude_vector";
  }
}
