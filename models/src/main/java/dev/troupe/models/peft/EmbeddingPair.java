package dev.troupe.models.peft;

/**
 * The embedding with its LoRA pair, which adds scale · (B A)ᵀ to it.
 *
 * @param module as the checkpoint names it
 * @param tokens of the vocabulary
 * @param width of the model
 * @param rank inner width, at least 1
 * @param scale what B A is multiplied by
 */
public record EmbeddingPair(String module, int tokens, int width, int rank, double scale) {
  /** The name of A, {@code (rank, tokens)}. */
  public String nameOfA() {
    return module + ".lora_embedding_A";
  }

  /** The name of B, {@code (width, rank)}. */
  public String nameOfB() {
    return module + ".lora_embedding_B";
  }

  /** The base's matrix, which PEFT saves along. */
  String nameOfBase() {
    return module + ".base_layer.weight";
  }

  /** The matrix's name in the checkpoint, {@code (tokens, width)}. */
  public String stored() {
    return module + ".weight";
  }

  /** What A and B make of the embedding. */
  WeightChange change(float[] a, float[] b) {
    return weight ->
        Rows.each(
            tokens,
            token -> {
              for (int i = 0; i < width; i++) {
                double sum = 0;
                for (int r = 0; r < rank; r++) {
                  sum += (double) b[i * rank + r] * a[r * tokens + token];
                }
                int at = token * width + i;
                weight[at] = (float) (weight[at] + scale * sum);
              }
            });
  }
}
