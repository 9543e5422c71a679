package dev.troupe.engine.generation;

import dev.troupe.models.decoder.Precision;
import dev.troupe.models.decoder.Products;
import dev.troupe.models.torch.Device;
import dev.troupe.models.torch.NativeLibrary;
import dev.troupe.models.torch.Torch;
import dev.troupe.protocol.data.Numerics;
import java.util.function.Supplier;

/**
 * Whose operators a decoding step is made of, and products of bfloat16 while training and scoring:
 * those of {@link NativeLibrary} or torch's own.
 *
 * @param areNative whether they are the library's
 * @param widen whether products of bfloat16 are the library's as well, in float32
 * @param reason what it uses, or why torch's were chosen
 */
public record Operators(boolean areNative, boolean widen, String reason) {
  /**
   * Chooses for this JVM; loads the library where that matters.
   *
   * @throws GenerationException when the library is asked for and cannot be used
   */
  public static Operators choose(Numerics.Kernels asked) {
    return choose(asked, Torch.device(), NativeLibrary::state);
  }

  /** As {@link #choose(Numerics.Kernels)}, on a device and with a library. */
  static Operators choose(
      Numerics.Kernels asked, Device device, Supplier<NativeLibrary.State> library) {
    if (asked == Numerics.Kernels.TORCH) {
      return new Operators(false, false, "engine.kernels is torch");
    }
    boolean must = asked == Numerics.Kernels.NATIVE;
    if (device.isCuda()) {
      return torch(must, "the library is for the CPU, and this JVM computes on " + device);
    }
    NativeLibrary.State state = library.get();
    if (state instanceof NativeLibrary.Absent absent) {
      return torch(must, absent.reason());
    }
    NativeLibrary.Loaded loaded = (NativeLibrary.Loaded) state;
    String instructions = loaded.instructions();
    if (!must && instructions.equals("plain")) {
      return torch(
          false, "the library is faster with AVX2 or AVX-512 VNNI alone, and has neither here");
    }
    return new Operators(true, loaded.widens(), instructions);
  }

  private static Operators torch(boolean refuse, String reason) {
    if (refuse) {
      throw new GenerationException(
          "engine.kernels (--kernels) is native, but Troupe's library of operators cannot be used: "
              + reason
              + ". Let it be auto or torch.");
    }
    return new Operators(false, false, reason);
  }

  /**
   * Those of training and scoring in a precision.
   *
   * @throws GenerationException when the library is asked for and cannot be used
   */
  public static Products products(Numerics.Kernels asked, Precision precision) {
    // Nothing of the library is of use in float32.
    return precision == Precision.BF16 && choose(asked).widen() ? Products.WIDE : Products.TORCH;
  }

  /** In a line. */
  public String describe() {
    if (!areNative) {
      return "torch's operators: " + reason;
    }
    return "native, " + reason + (widen ? "; products of bf16 in float32, faster here" : "");
  }
}
