package dev.troupe.actors.role;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

class AskedTest {
  private static Rollout answer(Prompt prompt) {
    return new Rollout(
        prompt, TokenIds.of(7), "r", new Floats(new float[1]), FinishReason.LENGTH, 3);
  }

  private static final Asked NODE = new Asked("the policy on host:7");

  @Test
  void answersToBarePrompts_areAnswersToThePromptsAsAsked() {
    Prompt one =
        new Prompt("1", "one", TokenIds.of(1), Optional.of("right"), Map.of("tests", List.of("a")));
    Prompt two = new Prompt("2", "two", TokenIds.of(2));
    List<Prompt> prompts = List.of(two, one);
    assertThat(one.bare().answer()).isEmpty();
    assertThat(one.bare().metadata()).isEmpty();
    assertThat(
            NODE.answeredBy(
                prompts,
                2,
                List.of(answer(two), answer(two), answer(one.bare()), answer(one.bare()))))
        .containsExactly(List.of(answer(two), answer(two)), List.of(answer(one), answer(one)));
    // The same prompt twice, under one name: each answer is that of its place.
    Prompt again = new Prompt("1", "one", TokenIds.of(1), Optional.of("other"), Map.of());
    assertThat(NODE.answeredBy(List.of(one, again), 1, List.of(answer(one), answer(one))))
        .containsExactly(List.of(answer(one)), List.of(answer(again)));
  }

  @Test
  void answersToOtherPrompts_areRefusedByNodeAndId() {
    Prompt one = new Prompt("1", "one", TokenIds.of(1));
    Prompt two = new Prompt("2", "two", TokenIds.of(2));
    List<Prompt> prompts = List.of(one, two);
    refused(
        prompts,
        List.of(two, two, one, one),
        "answered the prompt 2 where 1 was asked: answer 1 of 4");
    refused(
        prompts,
        List.of(one, two, one, two),
        "answered the prompt 2 where 1 was asked: answer 2 of 4");
    refused(prompts, List.of(one, one, two), "was asked for 4 answers, gave 3");
    refused(prompts, List.of(one, one, two, two, two), "was asked for 4 answers, gave 5");
    refused(
        prompts,
        List.of(one, one, two, new Prompt("3", "", one.tokens())),
        "answered the prompt 3 where 2 was asked: answer 4 of 4");
    refused(
        prompts,
        List.of(one, one, two, new Prompt("2", "two", one.tokens())),
        "answered other tokens under the name of the prompt 2 than were asked: answer 4 of 4");
  }

  private static void refused(List<Prompt> prompts, List<Prompt> answered, String why) {
    assertThatThrownBy(
            () -> NODE.answeredBy(prompts, 2, answered.stream().map(AskedTest::answer).toList()))
        .isInstanceOf(RoleException.class)
        .hasMessage("the policy on host:7 " + why);
  }

  @Test
  void outputsThatAreNotOnePerRead_areRefusedByNode() {
    List<Sequence> sequences =
        List.of(
            Sequence.ofTargets(TokenIds.of(1, 2, 3), 1), Sequence.ofTargets(TokenIds.of(1, 2), 1));
    Set<Output> kinds = Set.of(Output.LOGPROBS);
    TokenOutputs two = new TokenOutputs(Floats.of(1, 2), Floats.of(), Floats.of());
    TokenOutputs one = new TokenOutputs(Floats.of(1), Floats.of(), Floats.of());
    assertThat(NODE.saidOf(sequences, kinds, List.of(two, one))).containsExactly(two, one);
    assertThatThrownBy(() -> NODE.saidOf(sequences, kinds, List.of(one, two)))
        .hasMessage("the policy on host:7 was asked for 2 logprobs of sequence 1 of 2, gave 1");
    assertThatThrownBy(() -> NODE.saidOf(sequences, Set.of(Output.VALUES), List.of(two, one)))
        .hasMessage("the policy on host:7 was asked for 2 values of sequence 1 of 2, gave 0");
    assertThatThrownBy(() -> NODE.saidOf(sequences, kinds, List.of(two)))
        .hasMessage("the policy on host:7 was asked about 2 sequences, told of 1");
  }
}
