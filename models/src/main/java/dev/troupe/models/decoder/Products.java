package dev.troupe.models.decoder;

import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.NativeLibrary;
import java.util.Map;

/** Whose products with weights the kernels of training and scoring call. */
public enum Products {
  /** Torch's, in the numbers that the weights are held in. */
  TORCH(
      "torch.linear(self.rounded(x), self.rounded(w))",
      "self.exact(self.linear(x, head))",
      "self.linear(dz, head.t())"),
  /**
   * Of {@link NativeLibrary}, for {@link Precision#BF16}: factors are widened, and multiplied and
   * added up in float32. Logits and their gradient are not rounded on the way.
   */
  WIDE(
      "ops.troupe.wide_linear(self.rounded(x), self.rounded(w))",
      "ops.troupe.wide_linear(x, self.rounded(head))",
      "ops.troupe.wide_product(dz, self.rounded(head))");

  private final String linear;
  private final String logits;
  private final String states;

  Products(String linear, String logits, String states) {
    this.linear = linear;
    this.logits = logits;
    this.states = states;
  }

  /** What stands for the kernels' placeholders. */
  public Map<String, String> placeholders() {
    return Map.of("LINEAR", linear, "LOGITS", logits, "STATES", states);
  }

  /**
   * The decoder's kernels for training and scoring. {@link #WIDE} wants the library to be loaded.
   *
   * @param attributes of {@link ParameterLayout#kernelAttributes}
   */
  public KernelModule kernels(Map<String, Object> attributes) {
    return KernelModule.load(Products.class, "/kernels/decoder.py", attributes, placeholders());
  }
}
