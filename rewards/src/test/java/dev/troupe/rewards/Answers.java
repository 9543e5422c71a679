package dev.troupe.rewards;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.reward.Scores;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Answers to score. */
final class Answers {
  private Answers() {}

  static Rollout of(String text, Map<String, @Nullable Object> metadata) {
    return new Rollout(
        new Prompt("p-" + text.length(), "ask", TokenIds.of(1), Optional.of("right"), metadata),
        TokenIds.of(2, 3),
        text,
        new Floats(new float[2]),
        FinishReason.STOP,
        0);
  }

  static List<Rollout> of(String... texts) {
    return Arrays.stream(texts).map(text -> of(text, Map.of())).toList();
  }

  static List<Score> scores(Scorer scorer, String... texts) {
    return Scores.of(scorer, of(texts)).toCompletableFuture().join().all();
  }
}
