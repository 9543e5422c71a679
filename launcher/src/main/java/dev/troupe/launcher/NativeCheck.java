package dev.troupe.launcher;

import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import java.util.Arrays;
import java.util.Map;

/** Loads the native library and runs a kernel too small to fail for any other reason. */
final class NativeCheck {
  private NativeCheck() {}

  /** What was found; throws when the library does not load or computes something else. */
  static String run() {
    float[] product =
        Lanes.shared()
            .run(
                () -> {
                  try (KernelModule module =
                          KernelModule.compile(
                              "doctor", "def product(self, x):\n    return x @ x.t()\n", Map.of());
                      Handle matrix = Handle.of(new float[] {1, 2, 3, 4}, 2, 2);
                      Handle result = module.infer("product", matrix)) {
                    return result.floats();
                  }
                });
    float[] expected = {5, 11, 11, 25};
    if (!Arrays.equals(product, expected)) {
      throw new IllegalStateException(
          "a 2x2 product came out as " + Arrays.toString(product) + ", not 5, 11, 11, 25");
    }
    return "the native library loads and computes, " + Lanes.shared().count() + " lanes";
  }
}
