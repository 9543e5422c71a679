package dev.troupe.engine.generation;

import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import java.util.Map;

/**
 * How large int8 weights may be. Processors with VNNI or AMX add up products of bytes in 32 bits;
 * others add two in 16 bits first and cut what does not fit, unless weights stay within ±63. Asked
 * once, of the product itself rather than of a list of processors.
 */
final class ByteProducts {
  private static final class Asked {
    static final int LARGEST = ask();

    private static int ask() {
      try (KernelModule kernels =
              KernelModule.load(ByteProducts.class, "/kernels/bytes.py", Map.of(), Map.of());
          Handle exact = kernels.infer("exact")) {
        return exact.asBoolean() ? 127 : 63;
      }
    }
  }

  private ByteProducts() {}

  /** The largest weight whose products come out exact. To be called on a lane. */
  static int largestWeight() {
    return Asked.LARGEST;
  }
}
