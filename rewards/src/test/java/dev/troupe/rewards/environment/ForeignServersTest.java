package dev.troupe.rewards.environment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.environment.EnvironmentConfig;
import dev.troupe.rlhf.environment.EnvironmentConfig.NemoGym;
import dev.troupe.rlhf.environment.EnvironmentConfig.OpenEnv;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.Environment.Action;
import dev.troupe.rlhf.port.Environment.Observation;
import dev.troupe.rlhf.port.Environment.ToolCall;
import dev.troupe.rlhf.port.EnvironmentFactory;
import dev.troupe.rlhf.port.EpisodeException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import org.junit.jupiter.api.io.TempDir;

/**
 * Against the real servers, where they run: src/test/foreign/*.py start them and say how. Prints
 * what passed.
 */
@EnabledIfEnvironmentVariable(
    named = "TROUPE_FOREIGN",
    matches = "true",
    disabledReason = "needs servers of OpenEnv and NeMo-Gym on the ports 8101 to 8103")
class ForeignServersTest {
  @TempDir Path directory;

  private static OpenEnv openEnv(
      int port, OpenEnv.Use use, Optional<String> field, int sessions, double timeout) {
    return new OpenEnv(
        "http://127.0.0.1:" + port,
        use,
        "message",
        field,
        field.isPresent() ? List.of("level") : List.of(),
        sessions,
        10,
        timeout,
        2,
        1,
        1,
        Optional.empty());
  }

  private static EnvironmentFactory factory(EnvironmentConfig config) {
    return CheckedTools.all(new OutsideEnvironments()).make("grpo.environment", config);
  }

  private static Environment.Task task(Map<String, Object> metadata) {
    return new Environment.Task(
        new Prompt("p-1", "ask", new TokenIds(new int[] {1}), Optional.empty(), metadata),
        "ep-1",
        42);
  }

  private static Observation shown(String what, Observation seen) {
    System.out.println(what + " -> " + seen);
    return seen;
  }

  private static Observation says(Environment environment, String text) throws Exception {
    return shown(text, environment.step(new Action(text, List.of())));
  }

  private static void shownFailure(String what, Throwable failure) {
    System.out.println(
        what + " -> " + ((EpisodeException) failure).reason() + " | " + failure.getMessage());
  }

  @Test
  void openEnv_echo() throws Exception {
    EnvironmentFactory factory =
        factory(openEnv(8101, OpenEnv.Use.ACTIONS, Optional.of("echoed"), 2, 2));
    Environment environment = factory.create(task(Map.of("level", 3)));
    assertThat(shown("reset", environment.reset()).messages().get(0).content())
        .isEqualTo("ready seed=42 kw={'level': 3}");
    assertThat(says(environment, "hello").reward()).hasValue(0.5);
    assertThat(says(environment, "{\"msg\": 1}").parts()).containsKey("invalidAction");
    assertThatThrownBy(() -> says(environment, "boom"))
        .isInstanceOf(EpisodeException.class)
        .hasMessageContaining("boom!")
        .satisfies(e -> shownFailure("boom", e));
    assertThat(says(environment, "after").reward()).hasValue(0.5);
    Environment second = factory.create(task(Map.of("level", 4)));
    second.reset();
    EnvironmentFactory other =
        factory(openEnv(8101, OpenEnv.Use.ACTIONS, Optional.of("echoed"), 2, 2));
    Environment third = other.create(task(Map.of("level", 5)));
    assertThatThrownBy(third::reset)
        .isInstanceOf(EpisodeException.class)
        .hasMessageContaining("the server is full: 2 of 2 sessions")
        .satisfies(e -> shownFailure("a third session", e));
    third.close();
    assertThatThrownBy(() -> says(second, "slow"))
        .isInstanceOf(EpisodeException.class)
        .satisfies(e -> shownFailure("slow", e));
    second.close();
    assertThatThrownBy(() -> says(environment, "big"))
        .isInstanceOf(EpisodeException.class)
        .satisfies(e -> shownFailure("big", e));
    environment.close();
    Environment last = factory.create(task(Map.of("level", 6)));
    last.reset();
    assertThat(says(last, "bye").done()).isTrue();
    last.close();
  }

  @Test
  void openEnv_tools() throws Exception {
    EnvironmentFactory factory = factory(openEnv(8102, OpenEnv.Use.TOOLS, Optional.empty(), 2, 30));
    System.out.println("tools: " + factory.tools());
    Environment environment = factory.create(task(Map.of()));
    shown("reset", environment.reset());
    Observation seen =
        shown(
            "calls",
            environment.step(
                new Action(
                    "",
                    List.of(
                        new ToolCall("c1", "add", Map.of("a", 2, "b", 3)),
                        new ToolCall("c2", "fail", Map.of("why", "so")),
                        new ToolCall("c3", "add", Map.of("a", "x")),
                        new ToolCall("c4", "nope", Map.of())))));
    assertThat(seen.messages()).hasSize(4);
    assertThat(seen.messages().get(0).content()).isEqualTo("5");
    assertThat(seen.failedCalls()).isEqualTo(3);
    assertThat(says(environment, "5").done()).isTrue();
    environment.close();
  }

  @Test
  void nemoGym_counter() throws Exception {
    Path tools = directory.resolve("tools.json");
    Files.writeString(
        tools,
        "[{\"type\":\"function\",\"name\":\"increment_counter\",\"parameters\":{\"type\":"
            + "\"object\",\"properties\":{\"count\":{\"type\":\"integer\"}},\"required\":"
            + "[\"count\"]}},{\"type\":\"function\",\"name\":\"get_counter_value\",\"parameters\":"
            + "{\"type\":\"object\",\"properties\":{}}}]");
    EnvironmentFactory factory =
        factory(
            new NemoGym(
                "http://127.0.0.1:8103",
                Optional.of(tools.toString()),
                10,
                60,
                2,
                16,
                Optional.empty()));
    Map<String, Object> row =
        new JsonMapper()
            .readValue(
                "{\"responses_create_params\":{\"input\":[{\"content\":\"add 1 then add 2 then get"
                    + " the count\",\"role\":\"user\"}],\"tools\":[]},\"expected_count\":6,"
                    + "\"initial_count\":3}",
                new TypeReference<>() {});
    for (int second : List.of(2, 5)) {
      Environment environment = factory.create(task(row));
      shown("seed", environment.reset());
      shown(
          "add 1 and " + second,
          environment.step(
              new Action(
                  "",
                  List.of(
                      new ToolCall("c1", "increment_counter", Map.of("count", 1)),
                      new ToolCall("c2", "increment_counter", Map.of("count", second))))));
      Observation count =
          shown(
              "get",
              environment.step(
                  new Action("", List.of(new ToolCall("c3", "get_counter_value", Map.of())))));
      assertThat(count.messages().get(0).content()).isEqualTo("{\"count\":" + (4 + second) + "}");
      assertThat(says(environment, "Done.").reward()).hasValue(second == 2 ? 1 : 0);
      environment.close();
    }
  }
}
