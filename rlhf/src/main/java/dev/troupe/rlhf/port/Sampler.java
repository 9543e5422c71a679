package dev.troupe.rlhf.port;

import dev.troupe.protocol.data.Part;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
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

  /**
   * As {@link #sample}, told as it goes: the answers of each {@link Part} of the prompts as soon as
   * all of these are there, whatever becomes of the others.
   *
   * @return the parts, in their order
   */
  default List<CompletionStage<List<List<Rollout>>>> sampleInParts(
      List<Prompt> prompts, int answers, SamplingSettings settings) {
    CompletionStage<List<List<Rollout>>> all = sample(prompts, answers, settings);
    return Part.of(prompts.size(), answers).stream()
        .<CompletionStage<List<List<Rollout>>>>map(part -> all.thenApply(part::prompts))
        .toList();
  }

  /** One rollout per prompt, in the prompts' order. */
  default CompletionStage<List<Rollout>> generate(List<Prompt> prompts, SamplingSettings settings) {
    return sample(prompts, 1, settings)
        .thenApply(groups -> groups.stream().map(group -> group.get(0)).toList());
  }

  /**
   * What is wrong with rollouts that are to be so many answers to each prompt, in the prompts'
   * order; empty when nothing is. A prompt is known by its id and its tokens.
   *
   * @return how the sentence goes on that begins with who gave them
   */
  static Optional<String> fault(List<Prompt> prompts, int answers, List<Rollout> rollouts) {
    int asked = prompts.size() * answers;
    if (rollouts.size() != asked) {
      return Optional.of("was asked for " + asked + " answers, gave " + rollouts.size());
    }
    for (int i = 0; i < asked; i++) {
      Prompt prompt = prompts.get(i / answers);
      Prompt answered = rollouts.get(i).prompt();
      if (!answered.id().equals(prompt.id())) {
        return Optional.of(
            "answered the prompt "
                + answered.id()
                + " where "
                + prompt.id()
                + " was asked: answer "
                + (i + 1)
                + " of "
                + asked);
      }
      if (!answered.tokens().equals(prompt.tokens())) {
        return Optional.of(
            "answered other tokens under the name of the prompt "
                + prompt.id()
                + " than were asked: answer "
                + (i + 1)
                + " of "
                + asked);
      }
    }
    return Optional.empty();
  }

  /**
   * Cuts answers that stand side by side, prompt by prompt, into groups.
   *
   * @throws IllegalStateException when they are not such
   */
  static List<List<Rollout>> grouped(List<Prompt> prompts, int answers, List<Rollout> rollouts) {
    fault(prompts, answers, rollouts)
        .ifPresent(
            fault -> {
              throw new IllegalStateException("the model " + fault);
            });
    List<List<Rollout>> groups = new ArrayList<>();
    for (int from = 0; from < rollouts.size(); from += answers) {
      groups.add(List.copyOf(rollouts.subList(from, from + answers)));
    }
    return groups;
  }
}
