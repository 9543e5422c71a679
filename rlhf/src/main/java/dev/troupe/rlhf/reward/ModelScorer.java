package dev.troupe.rlhf.reward;

import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.rlhf.loss.DeepSpeedChatRewards;
import dev.troupe.rlhf.port.Learner;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletionStage;

/**
 * A reward model: the value that its head gives a whole response.
 *
 * @param model with a value head; whoever opened it closes it
 * @param placement where the value is read
 */
public record ModelScorer(String name, Learner model, RewardConfig.Model.Placement placement)
    implements Scorer {
  @Override
  public CompletionStage<List<Score>> score(List<Rollout> rollouts) {
    List<Sequence> sequences = rollouts.stream().map(this::sequence).toList();
    return model
        .evaluate(sequences, Set.of(Output.VALUES))
        .thenApply(
            outputs -> outputs.stream().map(output -> Score.of(output.values().get(0))).toList());
  }

  @Override
  public boolean scoresEachAlone() {
    return true;
  }

  private Sequence sequence(Rollout rollout) {
    return switch (placement) {
      case MODERN -> Sequence.ofLast(rollout.tokens());
      case DEEPSPEED_CHAT -> DeepSpeedChatRewards.scored(rollout);
    };
  }
}
