package dev.troupe.rewards.environment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EnvironmentFactory;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** What a user's own environment offers is checked when it is asked for, before a run. */
class CheckedToolsTest {
  private final AtomicInteger made = new AtomicInteger();

  private EnvironmentFactory offers(@Nullable List<Map<String, @Nullable Object>> tools) {
    return CheckedTools.of(
        new EnvironmentFactory() {
          @Override
          public String name() {
            return "own";
          }

          @Override
          @SuppressWarnings("NullAway") // A user's own may.
          public List<Map<String, @Nullable Object>> tools() {
            return tools;
          }

          @Override
          public Environment create(Environment.Task task) {
            made.incrementAndGet();
            return new Environment() {
              @Override
              public Observation reset() {
                return Observation.none();
              }

              @Override
              public Observation step(Action action) {
                return Observation.none();
              }
            };
          }
        });
  }

  private static Map<String, @Nullable Object> tool(String name, Object parameters) {
    return Map.of("type", "function", "function", Map.of("name", name, "parameters", parameters));
  }

  private void refused(EnvironmentFactory factory, String message) {
    assertThatThrownBy(factory::tools)
        .isInstanceOf(EnvironmentException.class)
        .hasMessageContaining(message);
    assertThatThrownBy(() -> factory.create(OpenEnvEpisodes.task()))
        .isInstanceOf(EnvironmentException.class)
        .hasMessageContaining(message);
    assertThat(made).hasValue(0);
  }

  @Test
  void toolsThatCannotBeUsed_areRefusedWhereTheyAreAsked_andNoEnvironmentIsMade() {
    refused(offers(null), "own offers null for tools, expected a list");
    refused(
        offers(List.of(tool("add", Map.of()), tool("add", Map.of()))),
        "own: two tools are called add");
    refused(offers(List.of(Map.of("name", "add"))), "own: a tool is {name=add}, expected {type:");
    refused(
        offers(List.of(tool("add", List.of("a")))), "own: the parameters of the tool add are no");
  }

  @Test
  void goodTools_areHandedOn() throws Exception {
    List<Map<String, @Nullable Object>> tools = List.of(tool("add", Map.of("type", "object")));
    EnvironmentFactory factory = offers(tools);
    assertThat(factory.tools()).isEqualTo(tools);
    factory.create(OpenEnvEpisodes.task()).close();
    assertThat(made).hasValue(1);
  }
}
