package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Prompt;
import dev.troupe.rlhf.loss.SftExample;
import java.util.List;

/**
 * Data of PPO.
 *
 * @param prompts to answer
 * @param pretraining texts whose loss is mixed in; needed with a ptx coefficient above 0
 */
public record PpoData(TrainingData<Prompt> prompts, List<SftExample> pretraining) {
  public PpoData {
    pretraining = List.copyOf(pretraining);
  }
}
