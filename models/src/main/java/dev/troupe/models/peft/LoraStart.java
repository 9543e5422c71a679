package dev.troupe.models.peft;

import java.util.List;
import java.util.Locale;
import java.util.Random;

/**
 * How a pair of LoRA starts, as PEFT's {@code init_lora_weights} has it.
 *
 * @param iterations of subspaces by which PiSSA's singular vectors are found; 0 for all of them
 *     exactly
 */
public record LoraStart(Kind kind, int iterations) {
  /** What A and B are made of. */
  public enum Kind {
    /** A uniform in ±1/sqrt(inputs), B zero. */
    KAIMING,
    /** A normal with deviation 1 / rank, B zero. */
    GAUSSIAN,
    /** Both of the halves of one orthogonal matrix, so that B A is zero (needs an even rank). */
    ORTHOGONAL,
    /**
     * The weight's largest singular values and their vectors, taken out of the weight (Meng et al.,
     * arXiv:2404.02948).
     */
    PISSA,
    /**
     * The first columns of the weight's Q and rows of its R, taken out of the weight (Büyükakyüz,
     * arXiv:2406.01775).
     */
    OLORA
  }

  public static final LoraStart KAIMING = new LoraStart(Kind.KAIMING, 0);
  public static final LoraStart GAUSSIAN = new LoraStart(Kind.GAUSSIAN, 0);

  public LoraStart {
    AdapterKeys.require(
        iterations >= 0 && (iterations == 0 || kind == Kind.PISSA),
        "iterations belong to the start pissa, found " + iterations + " of " + kind);
  }

  /** Whether what the pair starts as is taken out of the base's weight. */
  public boolean isOfBase() {
    return kind == Kind.PISSA || kind == Kind.OLORA;
  }

  /** What a start that is of the base takes out of a weight, {@code (outputs, inputs)}. */
  public LowRank.Factors factors(float[] weight, int outputs, int inputs, LoraPair pair) {
    return switch (kind) {
      case PISSA -> Decomposition.principal(weight, outputs, inputs, pair, iterations);
      case OLORA -> Decomposition.triangular(weight, outputs, inputs, pair);
      default -> throw new IllegalStateException(kind + " takes nothing out of a weight");
    };
  }

  /**
   * A pair whose product is zero, of two halves of an orthogonal matrix: A and B transposed {@code
   * (rank, outputs)}, as PEFT has it.
   */
  public static LowRank.Factors orthogonal(LoraPair pair, Random random) {
    int rank = pair.rank();
    AdapterKeys.require(rank % 2 == 0, "the start orthogonal needs an even rank, found " + rank);
    List<float[]> halves = Decomposition.orthogonalHalves(rank, random);
    return new LowRank.Factors(
        rank,
        spread(halves.get(0), rank, pair.module().inputs(), random),
        spread(halves.get(1), rank, pair.module().outputs(), random));
  }

  /** A tenth of halfᵀ times normal numbers, (rank, columns). */
  private static float[] spread(float[] half, int rank, int columns, Random random) {
    float[] numbers = new float[rank / 2 * columns];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = (float) random.nextGaussian();
    }
    float[] out = new float[rank * columns];
    for (int r = 0; r < rank; r++) {
      for (int i = 0; i < columns; i++) {
        double sum = 0;
        for (int k = 0; k < rank / 2; k++) {
          sum += (double) half[k * rank + r] * numbers[k * columns + i];
        }
        out[r * columns + i] = (float) (sum / 10);
      }
    }
    return out;
  }

  /** For people. */
  String describe() {
    return kind.name().toLowerCase(Locale.ROOT) + (iterations == 0 ? "" : "_niter_" + iterations);
  }
}
