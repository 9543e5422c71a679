package dev.troupe.rlhf.port;

import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionStage;

/** Answers prompts; each answer says which version of the weights wrote it. */
public interface Sampler {
  /**
   * Several answers per prompt, with the newest weights. An answer's random numbers depend on the
   * seed, its prompt's id and its own number, and on nothing else: more answers leave the first
   * ones as they are.
   *
   * @param answers to each prompt, at least 1
   * @return a group per prompt, in the prompts' order; in each so many answers, in theirs
   */
  CompletionStage<List<List<Rollout>>> sample(
      List<Prompt> prompts, int answers, SamplingSettings settings);

  /** One rollout per prompt, in the prompts' order. */
  default CompletionStage<List<Rollout>> generate(List<Prompt> prompts, SamplingSettings settings) {
    return sample(prompts, 1, settings)
        .thenApply(groups -> groups.stream().map(group -> group.get(0)).toList());
  }

  /** Cuts answers that stand side by side, prompt by prompt, into groups. */
  static List<List<Rollout>> grouped(List<Rollout> rollouts, int answers) {
    List<List<Rollout>> groups = new ArrayList<>();
    for (int from = 0; from < rollouts.size(); from += answers) {
      groups.add(List.copyOf(rollouts.subList(from, from + answers)));
    }
    return groups;
  }
}
