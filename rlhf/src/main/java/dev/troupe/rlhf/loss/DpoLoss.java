package dev.troupe.rlhf.loss;

/**
 * Direct preference losses of one pair as functions of h, by how much more the policy has come to
 * prefer the chosen answer than the reference does. With a reference of 0 they are losses of the
 * policy's own preference:
 *
 * <ul>
 *   <li>CPO (Xu et al. 2024, arXiv:2401.08417, equation 3): SIGMOID, or HINGE, with the SFT term
 *   <li>SimPO (Meng et al. 2024, arXiv:2405.14734, equation 6): SIGMOID_MEAN with a target margin
 * </ul>
 */
public final class DpoLoss {
  private DpoLoss() {}

  /** The function of h. */
  public enum Variant {
    /**
     * −(1−ε)·log σ(βh) − ε·log σ(−βh) (Rafailov et al. 2023, equation 7; ε above 0 is conservative
     * DPO, Mitchell 2023).
     */
    SIGMOID,
    /**
     * The same with each side's log-ratio divided by its number of tokens: DPO's length-normalised
     * form (Lambert et al. 2024, arXiv:2411.15124, equation 5; TRL's sigmoid_norm).
     */
    SIGMOID_MEAN,
    /**
     * [(1−ε)·(−log σ(βh)) − ε·(−log σ(−βh))] / (1−2ε): unbiased under a share ε of flipped labels
     * (Chowdhury et al. 2024).
     */
    ROBUST,
    /** max(0, 1 − βh) (Zhao et al. 2023). */
    HINGE,
    /**
     * (h − 1/(2β))² with each side's log-ratio divided by its number of tokens (Azar et al. 2023,
     * equation 17; TRL).
     */
    IPO,
    /** The same with summed log-ratios (OpenRLHF); β is not comparable between the two. */
    IPO_SUM;

    /** Whether a side's log-ratio is divided by its number of tokens. */
    boolean averages() {
      return this == SIGMOID_MEAN || this == IPO;
    }

    /** Whether label smoothing is read. */
    public boolean smooths() {
      return this == SIGMOID || this == SIGMOID_MEAN || this == ROBUST;
    }

    /** Whether a target margin is read. */
    public boolean hasMargin() {
      return this != IPO && this != IPO_SUM;
    }
  }

  /**
   * One pair's loss.
   *
   * @param gradient dloss/dh
   */
  public record Pair(double loss, double gradient) {}

  /**
   * The loss at h = [log π(y_w) − log ref(y_w)] − [log π(y_l) − log ref(y_l)].
   *
   * @param h sums over tokens, for {@link Variant#IPO} and {@link Variant#SIGMOID_MEAN} means
   * @param beta β above 0
   * @param labelSmoothing ε, read by SIGMOID, SIGMOID_MEAN and ROBUST alone
   * @param targetMargin γ, by how much βh is to exceed 0 (SimPO); not read by the two forms of IPO
   */
  public static Pair of(
      Variant variant, double h, double beta, double labelSmoothing, double targetMargin) {
    double x = beta * h - targetMargin;
    double kept = 1 - labelSmoothing;
    return switch (variant) {
      case SIGMOID, SIGMOID_MEAN ->
          new Pair(
              kept * Logistic.softplus(-x) + labelSmoothing * Logistic.softplus(x),
              beta * (labelSmoothing * Logistic.sigmoid(x) - kept * Logistic.sigmoid(-x)));
      case ROBUST -> {
        double scale = 1 / (1 - 2 * labelSmoothing);
        yield new Pair(
            scale * (kept * Logistic.softplus(-x) - labelSmoothing * Logistic.softplus(x)),
            -scale * beta * (kept * Logistic.sigmoid(-x) + labelSmoothing * Logistic.sigmoid(x)));
      }
      case HINGE -> new Pair(Math.max(0, 1 - x), x < 1 ? -beta : 0);
      case IPO, IPO_SUM -> {
        double distance = h - 1 / (2 * beta);
        yield new Pair(distance * distance, 2 * distance);
      }
    };
  }
}
