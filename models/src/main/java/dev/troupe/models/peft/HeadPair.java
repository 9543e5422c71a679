package dev.troupe.models.peft;

/**
 * The output matrix with its LoRA pair.
 *
 * @param module as the adapter names it: {@code lm_head}, or the checkpoint's own name
 * @param stored the matrix's name in the checkpoint
 * @param inputs the width of the model
 * @param outputs the vocabulary
 * @param rank inner width, at least 1
 * @param scale what B A is multiplied by
 */
public record HeadPair(
    String module, String stored, int inputs, int outputs, int rank, double scale) {
  /** The name of A, {@code (rank, inputs)}. */
  public String nameOfA() {
    return module + ".lora_A.weight";
  }

  /** The name of B, {@code (outputs, rank)}. */
  public String nameOfB() {
    return module + ".lora_B.weight";
  }

  String nameOfMagnitude() {
    return module + ".lora_magnitude_vector";
  }

  /** The base's matrix, which PEFT saves along. */
  String nameOfBase() {
    return module + ".base_layer.weight";
  }
}
