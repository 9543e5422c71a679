package dev.troupe.models.peft;

import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;

/** What LoRA's starts make of matrices, by torch's LAPACK. */
final class Decomposition {
  /** Of the subspaces that PiSSA's iterations begin with: one base, one result. */
  private static final long SEED = 2404;

  private Decomposition() {}

  /**
   * B A · scale are a weight's largest singular values with their vectors (PiSSA).
   *
   * @param weight {@code (outputs, inputs)}
   * @param iterations of a subspace that finds them; 0 for all singular vectors exactly
   */
  static LowRank.Factors principal(
      float[] weight, int outputs, int inputs, LoraPair pair, int iterations) {
    int rank = checked(outputs, inputs, pair);
    if (iterations == 0) {
      return of(
          weight,
          outputs,
          inputs,
          rank,
          (kernels, w) -> {
            try (Handle r = Handle.of((long) rank);
                Handle scale = Handle.of(pair.scale())) {
              return kernels.infer("principal", w, r, scale);
            }
          });
    }
    Random random = new Random(SEED);
    float[] start = new float[inputs * rank];
    for (int i = 0; i < start.length; i++) {
      start[i] = (float) random.nextGaussian();
    }
    return of(
        weight,
        outputs,
        inputs,
        rank,
        (kernels, w) -> {
          try (Handle from = Handle.of(start, inputs, rank);
              Handle r = Handle.of((long) rank);
              Handle scale = Handle.of(pair.scale());
              Handle count = Handle.of((long) iterations)) {
            return kernels.infer("nearly_principal", w, from, r, scale, count);
          }
        });
  }

  /** The first columns of a weight's Q and rows of its R (OLoRA). */
  static LowRank.Factors triangular(float[] weight, int outputs, int inputs, LoraPair pair) {
    int rank = checked(outputs, inputs, pair);
    return of(
        weight,
        outputs,
        inputs,
        rank,
        (kernels, w) -> {
          try (Handle r = Handle.of((long) rank)) {
            return kernels.infer("triangular", w, r);
          }
        });
  }

  /** The halves of one random orthogonal matrix, {@code (rank / 2, rank)} each. */
  static List<float[]> orthogonalHalves(int rank, Random random) {
    float[] numbers = new float[rank * rank];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = (float) random.nextGaussian();
    }
    return computed(
        kernels -> {
          try (Handle x = Handle.of(numbers, rank, rank);
              Handle r = Handle.of((long) rank)) {
            return kernels.infer("halves", x, r);
          }
        });
  }

  private static int checked(int outputs, int inputs, LoraPair pair) {
    if (pair.rank() > Math.min(outputs, inputs)) {
      throw new IllegalArgumentException(
          "'"
              + pair.module().name()
              + "' has no "
              + pair.rank()
              + " singular values to start LoRA from, being "
              + outputs
              + " by "
              + inputs
              + "; let its rank be at most "
              + Math.min(outputs, inputs));
    }
    return pair.rank();
  }

  private interface Call {
    Handle of(KernelModule kernels, Handle weight);
  }

  private static LowRank.Factors of(float[] weight, int outputs, int inputs, int rank, Call call) {
    List<float[]> found =
        computed(
            kernels -> {
              try (Handle w = Handle.of(weight, outputs, inputs)) {
                return call.of(kernels, w);
              }
            });
    return new LowRank.Factors(rank, found.get(0), found.get(1));
  }

  private static List<float[]> computed(Function<KernelModule, Handle> work) {
    try (KernelModule kernels =
            KernelModule.load(
                Decomposition.class, "/kernels/decomposition.py", Map.of(), Map.of());
        Handle result = work.apply(kernels)) {
      Handle[] parts = result.parts();
      try (Handle a = parts[0];
          Handle b = parts[1]) {
        return List.of(a.floats(), b.floats());
      }
    }
  }
}
