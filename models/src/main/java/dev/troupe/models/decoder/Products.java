package dev.troupe.models.decoder;

import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.NativeLibrary;
import dev.troupe.protocol.data.Storage;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Whose operators the kernels of training and scoring call. */
public enum Products {
  /** Torch's, in the numbers that the weights are held in. */
  TORCH(false, false),
  /**
   * Norms, gates and attention of {@link NativeLibrary}, where it has a model's; products are
   * torch's.
   */
  FUSED(true, false),
  /**
   * Products, too, for {@link Storage#BF16}: factors are widened, and multiplied and added up in
   * float32, LoRA's with them. Logits and their gradient are not rounded on the way.
   */
  WIDE(true, true);

  private final boolean fused;
  private final boolean wide;

  Products(boolean fused, boolean wide) {
    this.fused = fused;
    this.wide = wide;
  }

  /** Whether the library is called at all. */
  public boolean areNative() {
    return fused;
  }

  /** What stands for the kernels' placeholders. */
  public Map<String, String> placeholders() {
    return Map.of(
        "FUSED",
        fused ? "True" : "False",
        "HELD",
        fused ? "True" : "False",
        "WIDE",
        wide ? "True" : "False",
        "LINEAR",
        wide
            ? "ops.troupe.wide_linear(self.rounded(x), self.rounded(w))"
            : "torch.linear(self.rounded(x), self.rounded(w))",
        "LOGITS",
        wide ? "ops.troupe.wide_linear(x, self.rounded(head))" : "self.exact(self.linear(x, head))",
        "STATES",
        wide ? "ops.troupe.wide_product(dz, self.rounded(head))" : "self.linear(dz, head.t())");
  }

  /**
   * The decoder's kernels for training and scoring. All but {@link #TORCH} want the library to be
   * loaded.
   *
   * @param layout of the parameters, with the texts of its method
   * @param base that they will be given
   */
  public KernelModule kernels(ParameterLayout layout, Storage precision, BaseModel base) {
    Map<String, Object> attributes = new LinkedHashMap<>(base.kernelAttributes());
    if (base.quantisation().isPresent() && !fused) {
      attributes.put("segment", 1L);
    }
    return kernels(layout, precision, base.kernelTexts(true), attributes);
  }

  /** The same of a base whose weights are not held in blocks. */
  public KernelModule kernels(ParameterLayout layout, Storage precision) {
    return kernels(layout, precision, List.of(), Map.of());
  }

  private KernelModule kernels(
      ParameterLayout layout,
      Storage precision,
      List<String> more,
      Map<String, Object> attributes) {
    List<String> texts = new ArrayList<>(List.of("/kernels/decoder.py"));
    texts.addAll(layout.kernelTexts(true));
    texts.addAll(more);
    Map<String, Object> all = new LinkedHashMap<>(layout.kernelAttributes(precision));
    all.putAll(attributes);
    return KernelModule.load(Products.class, texts, all, placeholders());
  }

  /** The same in float32. */
  public KernelModule kernels(ParameterLayout layout) {
    return kernels(layout, Storage.FP32);
  }
}
