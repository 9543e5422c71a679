package dev.troupe.rlhf.evaluation;

import dev.troupe.protocol.data.Floats;
import java.util.List;

/** From log-probabilities of words to scores of labels. */
final class LabelScores {
  private LabelScores() {}

  /**
   * Of a word in the gap.
   *
   * @param logprobs of its tokens, at least one
   */
  static double ofWord(Floats logprobs, ClassificationConfig.WordScore score) {
    double sum = 0;
    for (float logprob : logprobs.values()) {
      sum += logprob;
    }
    return switch (score) {
      case SUM -> sum;
      case MEAN -> sum / logprobs.size();
    };
  }

  /**
   * Of a label.
   *
   * @param words scores of its words, at least one
   */
  static double ofLabel(List<Double> words, ClassificationConfig.Verbaliser verbaliser) {
    double most = words.stream().mapToDouble(Double::doubleValue).max().orElseThrow();
    if (verbaliser == ClassificationConfig.Verbaliser.MAX || most == Double.NEGATIVE_INFINITY) {
      return most;
    }
    double sum = 0;
    for (double word : words) {
      sum += Math.exp(word - most);
    }
    return most + Math.log(sum / words.size());
  }
}
