package dev.troupe.models.peft;

/** Orthogonal matrices of blocks of inputs, in double. */
final class Turns {
  private Turns() {}

  /**
   * R with R (I + Q) = I − Q for a skew Q, by elimination on the transposed system (I + Q)ᵀ Rᵀ = (I
   * − Q)ᵀ.
   */
  static double[][] cayley(double[][] q) {
    int n = q.length;
    double[][] left = identity(n);
    double[][] right = identity(n);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        left[i][j] += q[j][i];
        right[i][j] -= q[j][i];
      }
    }
    // I + Qᵀ has a symmetric part of I: no pivot is near 0.
    for (int p = 0; p < n; p++) {
      for (int i = 0; i < n; i++) {
        double factor = i == p ? 0 : left[i][p] / left[p][p];
        for (int j = 0; factor != 0 && j < n; j++) {
          left[i][j] -= factor * left[p][j];
          right[i][j] -= factor * right[p][j];
        }
      }
    }
    double[][] turn = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        turn[j][i] = right[i][j] / left[i][i];
      }
    }
    return turn;
  }

  static double[][] identity(int n) {
    double[][] identity = new double[n][n];
    for (int i = 0; i < n; i++) {
      identity[i][i] = 1;
    }
    return identity;
  }

  /** W Rᵀ in place, W (outputs, inputs), R of as many blocks of inputs as there are turns. */
  static void turnRows(float[] weight, int outputs, double[][][] turns) {
    int count = turns.length;
    Rows.each(
        outputs * count,
        at -> {
          double[][] turn = turns[at % count];
          int block = turn.length;
          int start = at * block;
          double[] turned = new double[block];
          for (int i = 0; i < block; i++) {
            for (int j = 0; j < block; j++) {
              turned[i] += turn[i][j] * weight[start + j];
            }
          }
          for (int i = 0; i < block; i++) {
            weight[start + i] = (float) turned[i];
          }
        });
  }
}
