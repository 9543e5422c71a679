package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * The data of configs/quickstart-grpo.conf: every sum of two numbers of two digits without a carry,
 * once, in an order of chance; the first thousand worked, the others to be solved.
 */
class SumsTest {
  private static final Path DATA = Quickstarts.ROOT.resolve("configs/quickstart-grpo");
  private static final int WORKED = 1000;

  @Test
  void files_areWhatThisMakes() throws IOException {
    List<int[]> sums = sums();
    StringBuilder worked = new StringBuilder();
    StringBuilder problems = new StringBuilder();
    for (int i = 0; i < sums.size(); i++) {
      int a = sums.get(i)[0];
      int b = sums.get(i)[1];
      (i < WORKED ? worked : problems)
          .append(
              String.format(
                  Locale.ROOT,
                  "{\"prompt\":\"%d+%d=\",\"%s\":\"%d\"}\n",
                  a,
                  b,
                  i < WORKED ? "completion" : "answer",
                  a + b));
    }
    if (Boolean.getBoolean("troupe.write")) {
      Files.writeString(DATA.resolve("worked.jsonl"), worked);
      Files.writeString(DATA.resolve("problems.jsonl"), problems);
    }
    assertThat(Files.readString(DATA.resolve("worked.jsonl"))).isEqualTo(worked.toString());
    assertThat(Files.readString(DATA.resolve("problems.jsonl"))).isEqualTo(problems.toString());
  }

  @Test
  void noProblem_isAmongTheWorked_andEveryAnswerIsRight() throws IOException {
    Set<String> worked = new HashSet<>();
    for (JsonNode row : rows("worked.jsonl")) {
      assertRight(row.path("prompt").asText(), row.path("completion").asText());
      worked.add(row.path("prompt").asText());
    }
    Set<String> problems = new HashSet<>();
    for (JsonNode row : rows("problems.jsonl")) {
      assertRight(row.path("prompt").asText(), row.path("answer").asText());
      problems.add(row.path("prompt").asText());
    }
    assertThat(worked).hasSize(WORKED).doesNotContainAnyElementsOf(problems);
    assertThat(problems).hasSize(980); // 45 · 44 sums in all
  }

  private static void assertRight(String prompt, String answer) {
    String[] numbers = prompt.replace("=", "").split("\\+", -1);
    assertThat(Integer.parseInt(numbers[0]) + Integer.parseInt(numbers[1]))
        .as(prompt)
        .isEqualTo(Integer.parseInt(answer));
  }

  private static List<JsonNode> rows(String file) throws IOException {
    ObjectMapper json = new ObjectMapper();
    List<JsonNode> rows = new ArrayList<>();
    for (String line : Files.readAllLines(DATA.resolve(file))) {
      rows.add(json.readTree(line));
    }
    return rows;
  }

  private static List<int[]> sums() {
    List<int[]> sums = new ArrayList<>();
    for (int a = 10; a < 100; a++) {
      for (int b = 10; b < 100; b++) {
        if (a % 10 + b % 10 < 10 && a / 10 + b / 10 < 10) {
          sums.add(new int[] {a, b});
        }
      }
    }
    SplittableRandom random = new SplittableRandom(2026);
    for (int i = sums.size() - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int[] swapped = sums.get(i);
      sums.set(i, sums.get(j));
      sums.set(j, swapped);
    }
    return sums;
  }
}
