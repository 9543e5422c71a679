package dev.troupe.rlhf.port;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One answer, as a {@link RewardFunction} sees it.
 *
 * @param id of the prompt; answers to one prompt share it
 * @param prompt text, chat template included
 * @param response the model's text, without special tokens
 * @param tokens of the response, the end of sequence included when there is one
 * @param finish why the response ended
 * @param answer what the data say is right
 * @param metadata what else the data say of the prompt, as JSON has it: text, numbers, booleans,
 *     null, lists and maps
 */
public record Sample(
    String id,
    String prompt,
    String response,
    TokenIds tokens,
    FinishReason finish,
    Optional<String> answer,
    Map<String, @Nullable Object> metadata) {
  /** Of a rollout. */
  public static Sample of(Rollout rollout) {
    return new Sample(
        rollout.prompt().id(),
        rollout.prompt().text(),
        rollout.text(),
        rollout.response(),
        rollout.finish(),
        rollout.prompt().answer(),
        rollout.prompt().metadata());
  }
}
