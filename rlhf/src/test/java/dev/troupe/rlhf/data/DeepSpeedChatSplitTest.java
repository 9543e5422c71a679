package dev.troupe.rlhf.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.rlhf.data.DeepSpeedChatSplit.Stage;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Against numpy itself: numpy_shuffle.py made the golden file. */
class DeepSpeedChatSplitTest {
  static Stream<String> golden() {
    try (InputStream file = DeepSpeedChatSplitTest.class.getResourceAsStream("numpy_shuffle.txt")) {
      return new String(file.readAllBytes(), StandardCharsets.UTF_8).lines();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void golden_file_isWhole() {
    assertThat(golden()).hasSize(13);
  }

  @ParameterizedTest
  @MethodSource("golden")
  void permutationAndSplit_everySeed_equalNumpys(String line) {
    String[] sides = line.split(": ", -1);
    String[] arguments = sides[0].split(" ", -1);
    long seed = Long.parseLong(arguments[1]);
    int size = Integer.parseInt(arguments[2]);
    int[] permutation = DeepSpeedChatSplit.permutation(size, seed);
    switch (arguments[0]) {
      case "shuffle" -> assertThat(permutation).containsExactly(numbers(sides[1], " "));
      case "sum" ->
          assertThat(
                  IntStream.range(0, size).mapToLong(i -> (long) i * permutation[i]).sum()
                      % (1L << 31))
              .isEqualTo(Long.parseLong(sides[1]));
      default -> {
        int[] bounds = numbers(sides[1], " ");
        List<Double> parts =
            Arrays.stream(numbers(arguments[3], ",")).mapToObj(part -> (double) part).toList();
        for (Stage stage : Stage.values()) {
          int place = List.of(Stage.values()).indexOf(stage);
          assertThat(DeepSpeedChatSplit.indices(size, parts, seed, stage))
              .containsExactly(Arrays.copyOfRange(permutation, bounds[place], bounds[place + 1]));
        }
      }
    }
  }

  @Test
  void indices_badParts_areErrors() {
    assertThatThrownBy(() -> DeepSpeedChatSplit.indices(10, List.of(2.0, 4.0), 0, Stage.SFT))
        .hasMessageContaining("parts is [2.0, 4.0], allowed: three numbers");
    assertThatThrownBy(() -> DeepSpeedChatSplit.permutation(3, -1))
        .hasMessage(
            "seed is -1; stage-split draws as numpy does, which takes seeds of 0 to 4294967295");
  }

  private static int[] numbers(String text, String separator) {
    return Arrays.stream(text.split(separator, -1)).mapToInt(Integer::parseInt).toArray();
  }
}
