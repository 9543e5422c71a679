package dev.troupe.protocol.data;

/**
 * One sampled answer.
 *
 * @param response R token ids, the end-of-sequence token included when there is one
 * @param text the response, decoded, without special tokens
 * @param logprobs R log-probabilities of the sampled tokens under the weights that sampled them
 * @param adapterVersion of those weights
 */
public record Rollout(
    Prompt prompt,
    TokenIds response,
    String text,
    Floats logprobs,
    FinishReason finish,
    long adapterVersion) {

  /** The same answer to the prompt as its asker has it. */
  public Rollout to(Prompt asked) {
    return new Rollout(asked, response, text, logprobs, finish, adapterVersion);
  }

  /** Prompt and response in one. */
  public TokenIds tokens() {
    return prompt.tokens().concat(response);
  }

  /** The sequence whose reads are the response's R tokens: hidden states P-1 … P+R-2. */
  public Sequence sequence() {
    return Sequence.ofTargets(tokens(), prompt.tokens().size());
  }
}
