package dev.troupe.protocol.data;

import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * One sampled answer. In an environment the response has what the policy read between its turns as
 * well; only what it sampled counts as its own, see {@link #sequence}.
 *
 * @param response R token ids, the end-of-sequence token included when there is one
 * @param text the response, decoded, without special tokens; of an episode what was said in the
 *     last turn
 * @param logprobs log-probabilities of the N sampled tokens under the weights that sampled them; N
 *     is R but for an episode
 * @param adapterVersion of those weights
 * @param episode what an answer of several turns has beside; absent where all of the response was
 *     sampled at once
 */
public record Rollout(
    Prompt prompt,
    TokenIds response,
    String text,
    Floats logprobs,
    FinishReason finish,
    long adapterVersion,
    Optional<Episode> episode) {
  public Rollout {
    int size = response.size();
    int known = logprobs.size();
    episode.ifPresent(
        it -> {
          int sampled = it.sampled().size();
          if (known != sampled || (sampled > 0 && it.sampled().get(sampled - 1) >= size)) {
            throw new IllegalArgumentException(
                "an episode of "
                    + size
                    + " tokens has "
                    + known
                    + " log-probabilities of tokens sampled at "
                    + it.sampled());
          }
        });
  }

  /** All of it sampled at once. */
  public Rollout(
      Prompt prompt,
      TokenIds response,
      String text,
      Floats logprobs,
      FinishReason finish,
      long adapterVersion) {
    this(prompt, response, text, logprobs, finish, adapterVersion, Optional.empty());
  }

  /**
   * As {@link #scoredAgain(List, Function)}, part by part.
   *
   * @param answers to each prompt, side by side
   */
  public static List<Rollout> scoredAgain(
      List<Rollout> rollouts, int answers, Function<List<Sequence>, List<TokenOutputs>> logprobs) {
    return Part.of(rollouts.size() / answers, answers).stream()
        .flatMap(part -> scoredAgain(part.answers(rollouts, answers), logprobs).stream())
        .toList();
  }

  /** Asks what a model says of answers that have tokens of its own; the others stay as they are. */
  public static List<Rollout> scoredAgain(
      List<Rollout> rollouts, Function<List<Sequence>, List<TokenOutputs>> logprobs) {
    List<Sequence> sequences = toScore(rollouts);
    Iterator<TokenOutputs> each =
        sequences.isEmpty() ? Collections.emptyIterator() : logprobs.apply(sequences).iterator();
    return rollouts.stream()
        .map(one -> one.length() == 0 ? one : one.with(each.next().logprobs()))
        .toList();
  }

  /** Of answers that have tokens of the model's own, in their order. */
  public static List<Sequence> toScore(List<Rollout> rollouts) {
    return rollouts.stream().filter(one -> one.length() > 0).map(Rollout::sequence).toList();
  }

  private Rollout with(Floats others) {
    return new Rollout(prompt, response, text, others, finish, adapterVersion, episode);
  }

  /** The same answer to the prompt as its asker has it. */
  public Rollout to(Prompt asked) {
    return new Rollout(asked, response, text, logprobs, finish, adapterVersion, episode);
  }

  /** Prompt and response in one. */
  public TokenIds tokens() {
    return prompt.tokens().concat(response);
  }

  /** The N tokens of the response that the policy sampled. */
  public TokenIds sampled() {
    return episode
        .map(it -> new TokenIds(Arrays.stream(it.sampled().values()).map(response::get).toArray()))
        .orElse(response);
  }

  /** How many tokens the policy sampled: N, by which lengths are counted. */
  public int length() {
    return episode.map(it -> it.sampled().size()).orElse(response.size());
  }

  /** Whether it is an episode that failed, of which nothing is to be learned or measured. */
  public boolean failed() {
    return episode.flatMap(Episode::failure).isPresent();
  }

  /** All that was said and read, for people. */
  public String transcript() {
    return episode.map(Episode::transcript).orElse(text);
  }

  /**
   * The sequence whose reads are the N sampled tokens, each read in the hidden state before it: of
   * a response without observations P-1 … P+R-2.
   */
  public Sequence sequence() {
    int prompted = prompt.tokens().size();
    return episode
        .map(
            it ->
                new Sequence(
                    tokens(),
                    new TokenIds(
                        Arrays.stream(it.sampled().values())
                            .map(position -> prompted - 1 + position)
                            .toArray())))
        .orElseGet(() -> Sequence.ofTargets(tokens(), prompted));
  }
}
