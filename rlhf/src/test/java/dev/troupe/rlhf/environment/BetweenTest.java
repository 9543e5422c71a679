package dev.troupe.rlhf.environment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.rlhf.port.EnvironmentException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class BetweenTest {
  private static final List<Map<String, Object>> TOOLS =
      List.of(Map.of("type", "function", "function", Map.of("name", "weather")));

  @Test
  void check_toolsWritten_passes() {
    new Between(new Letters(true, 100), List.copyOf(TOOLS), Map.of())
        .check("e", List.copyOf(TOOLS));
  }

  @Test
  void check_noToolSupport_namesTemplateAndTools() {
    assertThatThrownBy(
            () ->
                new Between(new Letters(false, 100), List.copyOf(TOOLS), Map.of())
                    .check("grpo.environment", List.copyOf(TOOLS)))
        .isInstanceOf(EnvironmentException.class)
        .hasMessage(
            "grpo.environment offers the tools [weather], and the model's chat template writes"
                + " nothing of them; take a model whose template supports tools");
  }

  @Test
  void check_noTools_needsNoSupport() {
    new Between(new Letters(false, 100), List.of(), Map.of()).check("e", List.of());
    assertThat(Between.callId(7)).hasSize(9);
  }
}
