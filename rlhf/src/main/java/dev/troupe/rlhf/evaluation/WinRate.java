package dev.troupe.rlhf.evaluation;

import dev.troupe.rlhf.loss.Wins;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.recipe.Proportion;
import java.util.List;

/**
 * How often one model's answers score higher than another's to the same problems; a tie is half a
 * win.
 *
 * @param rate with Wilson's interval over problems
 * @param leftOut pairs of which one answer could not be scored
 */
public record WinRate(Proportion rate, int wins, int ties, int losses, int leftOut) {
  /**
   * Compares each answer with the other model's answer of the same number.
   *
   * @throws MeasureException when no two answers could be compared
   */
  public static WinRate of(List<Answered> ours, List<Answered> theirs) {
    int[] counts = new int[3];
    int leftOut = 0;
    int problems = 0;
    double sum = 0;
    for (int i = 0; i < ours.size(); i++) {
      List<Score> first = ours.get(i).scores();
      List<Score> second = theirs.get(i).scores();
      double won = 0;
      int compared = 0;
      for (int a = 0; a < first.size(); a++) {
        if (first.get(a) instanceof Score.Value own && second.get(a) instanceof Score.Value other) {
          double win = Wins.of(own.value(), other.value());
          counts[win == 1 ? 0 : win == 0 ? 2 : 1]++;
          won += win;
          compared++;
        } else {
          leftOut++;
        }
      }
      if (compared > 0) {
        problems++;
        sum += won / compared;
      }
    }
    if (problems == 0) {
      throw new MeasureException(
          "win-rate: no two answers could be compared: of each of "
              + leftOut
              + " pairs one at least could not be scored");
    }
    return new WinRate(Proportion.of(sum, problems), counts[0], counts[1], counts[2], leftOut);
  }
}
