package dev.troupe.engine.generation;

import dev.troupe.models.decoder.Products;
import dev.troupe.models.torch.Device;
import dev.troupe.models.torch.NativeLibrary;
import dev.troupe.models.torch.Torch;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Storage;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.IntSupplier;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Whose operators a decoding step is made of, and training and scoring: those of {@link
 * NativeLibrary} or torch's own.
 *
 * @param areNative whether a decoding step's are the library's
 * @param fuse whether norms, gates and attention of training and scoring are the library's
 * @param widen whether products of bfloat16 are the library's there, in float32
 * @param halfCache whether keys and values are cached in bfloat16
 * @param exact whether tokens come to the same bits however many are read at once
 * @param reason what it uses, or why torch's were chosen
 */
public record Operators(
    boolean areNative,
    boolean fuse,
    boolean widen,
    boolean halfCache,
    boolean exact,
    String reason) {
  private static final String EXACT = "; scores in sampling's bits";
  private static final String HALF = "; keys and values in bf16";
  private static final String FUSED = "; training's norms, gates and attention native";
  private static final String WIDE = "; products of bf16 in float32, faster here";

  private static final Logger LOG = LoggerFactory.getLogger(Operators.class);

  /** What this JVM has said of itself already. */
  private static final Set<String> TOLD = ConcurrentHashMap.newKeySet();

  /** With keys and values in float32. */
  Operators(boolean areNative, boolean fuse, boolean widen, String reason) {
    this(areNative, fuse, widen, false, false, reason);
  }

  /**
   * Chooses for this JVM; loads the library where that matters. To be called on a lane.
   *
   * @throws GenerationException when the library is asked for and cannot be used
   */
  public static Operators choose(Numerics.Kernels asked, Storage format) {
    Operators chosen = here(asked, format);
    boolean wished = asked == Numerics.Kernels.AUTO && !Torch.device().isCuda();
    if (wished && !chosen.areNative() && TOLD.add(chosen.reason())) {
      LOG.info("decoding by {}", chosen.describe());
    }
    return chosen;
  }

  private static Operators here(Numerics.Kernels asked, Storage format) {
    return choose(asked, format, Torch.device(), NativeLibrary::state, ByteProducts::largestWeight);
  }

  /**
   * Those of training and scoring in a precision. To be called on a lane.
   *
   * @throws GenerationException when the library is asked for and cannot be used
   */
  public static Products products(Numerics.Kernels asked, Storage precision) {
    Operators here = here(asked, Storage.BF16);
    if (precision == Storage.BF16 && here.widen()) {
      return Products.WIDE;
    }
    return here.fuse() ? Products.FUSED : Products.TORCH;
  }

  /**
   * As {@link #choose(Numerics.Kernels, Storage)}, on a device and with a library.
   *
   * @param torchsWeights how large int8 weights may be by torch's operators, in steps
   */
  static Operators choose(
      Numerics.Kernels asked,
      Storage format,
      Device device,
      Supplier<NativeLibrary.State> library,
      IntSupplier torchsWeights) {
    Operators chosen = fastest(asked, format, device, library, torchsWeights);
    if (format.isOfBaseAlone() && !chosen.areNative) {
      throw new GenerationException(
          "engine.rollout-weights (--weights) is "
              + format.name().toLowerCase(Locale.ROOT)
              + ", which Troupe's library of operators alone multiplies, and torch's decode here: "
              + chosen.reason
              + ". Let it be auto, fp32, bf16, fp16 or int8.");
    }
    return chosen;
  }

  private static Operators fastest(
      Numerics.Kernels asked,
      Storage format,
      Device device,
      Supplier<NativeLibrary.State> library,
      IntSupplier torchsWeights) {
    if (asked == Numerics.Kernels.TORCH) {
      return new Operators(false, false, false, "engine.kernels is torch");
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
    if (must) {
      return new Operators(true, true, loaded.widens(), loaded.instructions());
    }
    if (loaded.instructions().equals("plain")) {
      return torch(false, "the library has plain kernels here, without AVX2 or AVX-512 VNNI");
    }
    if (loaded.instructions().startsWith("neon")) {
      return torch(
          false,
          "the library's kernels for Arm were tested under emulation and never timed on a processor");
    }
    if (format != Storage.INT8 && loaded.instructions().equals("avx2")) {
      return new Operators(
          false,
          true,
          loaded.widens(),
          "with AVX2 the library is slower at many rows, but in int8");
    }
    if (format == Storage.INT8 && torchsWeights.getAsInt() > loaded.largestWeight()) {
      return new Operators(
          false,
          true,
          loaded.widens(),
          "they hold int8 weights in steps up to ±"
              + torchsWeights.getAsInt()
              + " on this processor, the library's in ±"
              + loaded.largestWeight());
    }
    return new Operators(true, true, loaded.widens(), loaded.instructions());
  }

  /**
   * With keys and values in these numbers.
   *
   * @throws GenerationException when they are asked for and torch's operators decode
   */
  public Operators caching(Numerics.Cache asked, Storage format) {
    if (asked == Numerics.Cache.BF16 && !areNative) {
      throw new GenerationException(
          "engine.cache is bf16, which Troupe's library of operators alone reads, and torch's decode"
              + " here: "
              + reason
              + ". Let it be auto or fp32.");
    }
    boolean half =
        asked == Numerics.Cache.BF16
            || (asked == Numerics.Cache.AUTO && areNative && Packing.of(format).suitsHalfCache());
    return new Operators(areNative, fuse, widen, half, exact, reason);
  }

  /**
   * Where it is asked for, so that the same tokens come to the same bits however many are read at
   * once, and sampled log-probabilities can be computed again.
   *
   * @throws GenerationException when it is asked for and cannot be
   */
  public Operators exactly(boolean asked, Storage format) {
    if (asked && !Packing.of(format).suitsExact()) {
      throw new GenerationException(
          "engine.on-policy is exact, which is for rollouts in the numbers of training, fp32 or bf16,"
              + " and engine.rollout-weights comes to "
              + format
              + ".");
    }
    if (asked && !areNative) {
      throw new GenerationException(
          "engine.on-policy is exact, which Troupe's library of operators alone is, and torch's decode"
              + " here: "
              + reason
              + ". Let engine.kernels be native where the library is, or engine.on-policy be usual.");
    }
    return new Operators(areNative, fuse, widen, halfCache, asked, reason);
  }

  /** Bytes of one number of a cached key or value. */
  int cacheBytes() {
    return halfCache ? 2 : Float.BYTES;
  }

  private static Operators torch(boolean refuse, String reason) {
    if (refuse) {
      throw new GenerationException(
          "engine.kernels (--kernels) is native, but Troupe's library of operators cannot be used: "
              + reason
              + ". Let it be auto or torch.");
    }
    return new Operators(false, false, false, reason);
  }

  /** In a line. */
  public String describe() {
    return (areNative ? "native, " : "torch's operators: ")
        + reason
        + (halfCache ? HALF : "")
        + (exact ? EXACT : "")
        + (fuse ? FUSED : "")
        + (widen ? WIDE : "");
  }

  /** In a line, what this JVM has to choose from; loads the library. */
  public static String available() {
    if (Torch.device().isCuda()) {
      return "torch's operators, on " + Torch.device();
    }
    return NativeLibrary.state() instanceof NativeLibrary.Loaded loaded
        ? "native, " + loaded.instructions() + FUSED + (loaded.widens() ? WIDE : "")
        : "torch's operators: " + ((NativeLibrary.Absent) NativeLibrary.state()).reason();
  }
}
