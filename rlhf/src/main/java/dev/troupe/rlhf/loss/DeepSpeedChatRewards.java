package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;

/**
 * Rewards per token as DeepSpeed-Chat places them (dschat/rlhf/ppo_trainer.py, compute_rewards).
 * Its rows are padded to T tokens with P of prompt; action t predicts token t+1, so a row has T−1
 * actions, the first of the answer being s = P−1.
 *
 * <p>Where the padding token is the end-of-sequence token, as with Llama models there, the action
 * that emits the end of sequence counts as padding: it is not trained, yet the score sits on it and
 * reaches the trained actions through {@link Gae} only.
 */
public final class DeepSpeedChatRewards {
  /** Answers with fewer trained tokens are dropped there. */
  public static final int FEWEST_TRAINED_ACTIONS = 2;

  private DeepSpeedChatRewards() {}

  /**
   * Rewards of one answer.
   *
   * @param rewards R, one per response token
   * @param trainedActions how many of the R, from the first on, enter the losses
   */
  public record OfResponse(Floats rewards, int trainedActions) {}

  /**
   * Rewards of one padded row: −β·(logprob − refLogprob) on every action, the clipped score added
   * at e−1, zeros from e on, with e = s + Σ_{t≥s} mask_t + 1, at most T−1.
   *
   * @param logprobs T−1
   * @param refLogprobs T−1
   * @param mask T−1, true where token t+1 is not padding
   * @param promptTokens P, at least 1
   * @param klCoefficient β, 0.1 there
   * @param scoreClip largest absolute score, 5 there
   * @return T−1 rewards
   */
  public static Floats ofRow(
      Floats logprobs,
      Floats refLogprobs,
      boolean[] mask,
      int promptTokens,
      double score,
      double klCoefficient,
      double scoreClip) {
    Shapes.same("logprobs", logprobs, "refLogprobs", refLogprobs);
    Shapes.same("logprobs", logprobs.size(), "mask", mask.length);
    int actions = mask.length;
    int start = promptTokens - 1;
    if (start < 0 || start >= actions) {
      throw new IllegalArgumentException(
          "a prompt of " + promptTokens + " tokens leaves no action of " + actions);
    }
    int end = start + 1;
    for (int t = start; t < actions; t++) {
      end += mask[t] ? 1 : 0;
    }
    end = Math.min(end, actions);
    float[] rewards = new float[actions];
    for (int t = 0; t < end; t++) {
      double penalty = klCoefficient * Kl.K1.estimate(logprobs.get(t), refLogprobs.get(t));
      double onThisToken = t == end - 1 ? TokenRewards.clip(score, scoreClip) : 0;
      rewards[t] = (float) (onThisToken - penalty);
    }
    return new Floats(rewards);
  }

  /**
   * The same for an answer of R tokens without padding, the padding token being the end-of-sequence
   * token. It differs from {@link #ofRow} in one case that DeepSpeed-Chat does not have: after a
   * stop string the score is on the last token.
   *
   * @param logprobs R
   * @param refLogprobs R
   */
  public static OfResponse ofResponse(
      Floats logprobs,
      Floats refLogprobs,
      FinishReason finish,
      double score,
      double klCoefficient,
      double scoreClip) {
    double clipped = TokenRewards.clip(score, scoreClip);
    Floats rewards = TokenRewards.of(logprobs, refLogprobs, clipped, klCoefficient);
    int trained = finish == FinishReason.EOS ? rewards.size() - 1 : rewards.size();
    return new OfResponse(rewards, Math.max(0, trained));
  }

  /**
   * A rollout with the read that is its score: the last token before the end of sequence, since
   * that is padding there (reward_model.py, forward_value).
   */
  public static Sequence scored(Rollout rollout) {
    TokenIds tokens = rollout.tokens();
    boolean ended = rollout.finish() == FinishReason.EOS;
    return new Sequence(tokens, TokenIds.of(tokens.size() - (ended ? 2 : 1)));
  }
}
