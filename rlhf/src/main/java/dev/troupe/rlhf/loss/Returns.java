package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Floats;

/** Returns without a critic. */
public final class Returns {
  private Returns() {}

  /**
   * G_t = r_t + γ·G_{t+1}, over the trained tokens alone (REINFORCE++, Hu et al. 2025,
   * arXiv:2501.03262, equation 3). In an episode of several turns the tokens of observations are no
   * actions and have no place in {@code rewards}: γ counts actions, as verl's running return does,
   * and a later turn's reward reaches the turns before it.
   *
   * @param rewards R, all turns' in one
   * @param gamma γ in [0, 1]
   */
  public static Floats discounted(Floats rewards, double gamma) {
    float[] returns = new float[rewards.size()];
    double next = 0;
    for (int t = returns.length - 1; t >= 0; t--) {
      next = rewards.get(t) + gamma * next;
      returns[t] = (float) next;
    }
    return new Floats(returns);
  }

  /**
   * On-policy distillation (Agarwal et al. 2024, arXiv:2306.13649, with the reverse KL as a reward;
   * tinker-cookbook): r_t = −c·(log π_student − log π_teacher) on the student's own samples, and
   * the advantage is the return of that. Alone, or added to a task's advantage.
   *
   * @param student R, of the policy that sampled
   * @param teacher R, of the same tokens
   * @param coefficient c above 0, usually 1
   * @param gamma γ, usually 0: each token answers for itself
   */
  public static Floats distillation(
      Floats student, Floats teacher, double coefficient, double gamma) {
    Limit.above("distillation coefficient", coefficient, 0);
    Shapes.same("student", student, "teacher", teacher);
    float[] rewards = new float[student.size()];
    for (int t = 0; t < rewards.length; t++) {
      rewards[t] = (float) (-coefficient * Kl.K1.estimate(student.get(t), teacher.get(t)));
    }
    return discounted(new Floats(rewards), gamma);
  }
}
