package dev.troupe.protocol.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class PartTest {
  @Test
  void parts_are32Answers_andWholeGroups() {
    assertThat(Part.of(0, 1)).isEmpty();
    assertThat(Part.of(32, 1)).containsExactly(new Part(0, 32));
    assertThat(Part.of(70, 1)).containsExactly(new Part(0, 32), new Part(32, 64), new Part(64, 70));
    assertThat(Part.of(9, 8)).containsExactly(new Part(0, 4), new Part(4, 8), new Part(8, 9));
    assertThat(Part.of(2, 100)).containsExactly(new Part(0, 1), new Part(1, 2));
    assertThat(Part.of(4, 20)).hasSize(4);
  }

  @Test
  void part_hasItsPromptsAndTheirAnswers() {
    List<Integer> numbers = IntStream.range(0, 12).boxed().toList();
    Part part = new Part(1, 3);
    assertThat(part.prompts(numbers)).containsExactly(1, 2);
    assertThat(part.answers(numbers, 4)).containsExactly(4, 5, 6, 7, 8, 9, 10, 11);
  }
}
