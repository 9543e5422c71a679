package dev.troupe.protocol.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;

class RolloutTest {
  private static final Prompt PROMPT = new Prompt("p", "?", TokenIds.of(1, 2, 3));

  private static Rollout episode(TokenIds response, TokenIds sampled, Floats logprobs) {
    return new Rollout(
        PROMPT,
        response,
        "last",
        logprobs,
        FinishReason.EOS,
        1,
        Optional.of(
            new Episode(
                sampled,
                2,
                1,
                0,
                "all",
                OptionalDouble.of(1),
                Map.of(),
                Episode.End.DONE,
                Optional.empty())));
  }

  @Test
  void sequence_plain_readsEveryTokenOfTheResponse() {
    Rollout rollout =
        new Rollout(PROMPT, TokenIds.of(7, 8, 0), "a", Floats.of(-1, -2, -3), FinishReason.EOS, 1);

    assertThat(rollout.sequence())
        .isEqualTo(new Sequence(TokenIds.of(1, 2, 3, 7, 8, 0), TokenIds.of(2, 3, 4)));
    assertThat(rollout.length()).isEqualTo(3);
    assertThat(rollout.sampled()).isEqualTo(TokenIds.of(7, 8, 0));
    assertThat(rollout.transcript()).isEqualTo("a");
  }

  @Test
  void sequence_ofEpisode_readsTheSampledTokensAlone() {
    Rollout rollout =
        episode(
            TokenIds.of(7, 0, 50, 51, 8, 0), TokenIds.of(0, 1, 4, 5), Floats.of(-1, -2, -3, -4));

    // Each is read one before itself: behind the prompt's 3 tokens at 2, 3 and 6, 7.
    assertThat(rollout.sequence())
        .isEqualTo(new Sequence(TokenIds.of(1, 2, 3, 7, 0, 50, 51, 8, 0), TokenIds.of(2, 3, 6, 7)));
    assertThat(rollout.length()).isEqualTo(4);
    assertThat(rollout.sampled()).isEqualTo(TokenIds.of(7, 0, 8, 0));
    assertThat(rollout.transcript()).isEqualTo("all");
    assertThat(rollout.text()).isEqualTo("last");
    assertThat(rollout.to(new Prompt("q", "", TokenIds.of(9))).sequence().reads())
        .isEqualTo(TokenIds.of(0, 1, 4, 5));
  }

  @Test
  void new_anotherNumberOfLogprobs_isRefused() {
    assertThatThrownBy(() -> episode(TokenIds.of(7, 50), TokenIds.of(0), Floats.of(-1, -2)))
        .hasMessageContaining("2 log-probabilities");
    assertThatThrownBy(() -> episode(TokenIds.of(7), TokenIds.of(1), Floats.of(-1)))
        .hasMessageContaining("an episode of 1 tokens");
    assertThatThrownBy(() -> episode(TokenIds.of(7, 8), TokenIds.of(1, 1), Floats.of(-1, -2)))
        .hasMessageContaining("rise");
  }
}
