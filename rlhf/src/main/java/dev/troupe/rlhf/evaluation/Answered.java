package dev.troupe.rlhf.evaluation;

import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.rlhf.port.Sampler;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.recipe.Await;
import java.util.ArrayList;
import java.util.List;

/**
 * One problem with a model's answers and what each is worth.
 *
 * @param scores one per answer, in their order
 */
public record Answered(Prompt prompt, List<Rollout> answers, List<Score> scores) {
  /** Problems that are answered at a time. */
  private static final int BATCH = 16;

  public Answered {
    answers = List.copyOf(answers);
    scores = List.copyOf(scores);
    if (answers.size() != scores.size()) {
      throw new IllegalArgumentException(
          answers.size() + " answers have " + scores.size() + " scores");
    }
  }

  /** Those of its answers that could be scored. */
  List<Score.Value> scored() {
    return scores.stream()
        .filter(Score.Value.class::isInstance)
        .map(Score.Value.class::cast)
        .toList();
  }

  /**
   * Has problems answered and the answers scored. The same prompts and seed give the same random
   * numbers to whichever model answers.
   *
   * @param answers to each
   */
  public static List<Answered> of(
      Sampler sampler,
      Scorer scorer,
      List<Prompt> prompts,
      int answers,
      SamplingSettings settings,
      Watch watch) {
    List<Answered> all = new ArrayList<>(prompts.size());
    for (int from = 0; from < prompts.size(); from += BATCH) {
      List<Prompt> batch = prompts.subList(from, Math.min(prompts.size(), from + BATCH));
      List<List<Rollout>> groups = Await.on(sampler.sample(batch, answers, settings));
      List<Score> scores = Await.on(scorer.score(groups.stream().flatMap(List::stream).toList()));
      for (int i = 0; i < batch.size(); i++) {
        all.add(
            new Answered(
                batch.get(i), groups.get(i), scores.subList(i * answers, (i + 1) * answers)));
      }
      watch.done(all.size(), prompts.size());
    }
    return all;
  }
}
