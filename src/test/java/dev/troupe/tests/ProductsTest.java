package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The data of configs/quickstart-tools.conf: right, and none to be solved is among the worked. */
class ProductsTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path DATA = Quickstarts.ROOT.resolve("configs/quickstart-tools");

  private static String product(String expression) {
    String[] factors = expression.split("\\*", -1);
    return Long.toString(Long.parseLong(factors[0]) * Long.parseLong(factors[1]));
  }

  @Test
  void products_areRight_andNoneIsInBothFiles() throws IOException {
    Set<String> worked = new HashSet<>();
    for (String line : Files.readAllLines(DATA.resolve("worked.jsonl"))) {
      JsonNode turns = JSON.readTree(line).path("messages");
      String asked = turns.get(0).path("content").asText();
      JsonNode call = turns.get(1).path("tool_calls").get(0).path("function");
      String expression = call.path("arguments").path("expression").asText();
      assertThat(asked).isEqualTo(expression + "=");
      assertThat(call.path("name").asText()).isEqualTo("calculator");
      assertThat(turns.get(2).path("content").asText()).isEqualTo(product(expression));
      assertThat(turns.get(3).path("content").asText()).isEqualTo(product(expression));
      assertThat(worked.add(asked)).as(asked).isTrue();
    }
    assertThat(worked).hasSize(1500);
    Set<String> problems = new HashSet<>();
    for (String line : Files.readAllLines(DATA.resolve("problems.jsonl"))) {
      JsonNode problem = JSON.readTree(line);
      String asked = problem.path("prompt").asText();
      assertThat(problem.path("answer").asText())
          .isEqualTo(product(asked.substring(0, asked.length() - 1)));
      assertThat(problems.add(asked)).as(asked).isTrue();
    }
    assertThat(problems).hasSize(600).doesNotContainAnyElementsOf(worked);
  }
}
