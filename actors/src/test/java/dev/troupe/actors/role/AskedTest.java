package dev.troupe.actors.role;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class AskedTest {
  private static Rollout answer(Prompt prompt) {
    return new Rollout(
        prompt, TokenIds.of(7), "r", new Floats(new float[1]), FinishReason.LENGTH, 3);
  }

  @Test
  void answersToBarePrompts_areAnswersToThePromptsAsAsked() {
    Prompt one =
        new Prompt("1", "one", TokenIds.of(1), Optional.of("right"), Map.of("tests", List.of("a")));
    Prompt two = new Prompt("2", "two", TokenIds.of(2));
    Asked asked = Asked.of(List.of(one, two));
    assertThat(one.bare().answer()).isEmpty();
    assertThat(one.bare().metadata()).isEmpty();
    // Several answers to a prompt, in any order.
    assertThat(asked.answeredBy(List.of(answer(two), answer(one.bare()), answer(one.bare()))))
        .containsExactly(answer(two), answer(one), answer(one));
    assertThatThrownBy(() -> asked.answeredBy(List.of(answer(new Prompt("3", "", one.tokens())))))
        .hasMessage("a node answered the prompt 3, which it was not asked");
  }
}
