package dev.troupe.rewards.environment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.environment.EnvironmentConfig.OpenEnv;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.Environment.Action;
import dev.troupe.rlhf.port.Environment.Observation;
import dev.troupe.rlhf.port.EnvironmentFactory;
import dev.troupe.rlhf.port.EpisodeException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** Episodes at a stand-in. */
final class OpenEnvEpisodes {
  private OpenEnvEpisodes() {}

  static OpenEnv config(OpenEnvStandIn server, OpenEnv.Use use, double timeout, int attempts) {
    return new OpenEnv(
        server.url(),
        use,
        "message",
        use == OpenEnv.Use.ACTIONS ? Optional.of("echoed") : Optional.empty(),
        List.of("task_id"),
        1,
        30,
        timeout,
        attempts,
        0.1,
        1,
        Optional.empty());
  }

  static EnvironmentFactory factory(OpenEnv config) {
    return CheckedTools.all(
            new OutsideEnvironments(variable -> variable.equals("TOKEN") ? "secret" : null))
        .make("grpo.environment", config);
  }

  static Environment.Task task() {
    return new Environment.Task(
        new Prompt(
            "p-1", "ask", new TokenIds(new int[] {1}), Optional.empty(), Map.of("task_id", "t7")),
        "ep-1",
        42L + (1L << 40));
  }

  static Environment begun(EnvironmentFactory factory) throws Exception {
    Environment environment = factory.create(task());
    try {
      environment.reset();
      return environment;
    } catch (Exception e) {
      environment.close();
      throw e;
    }
  }

  static Observation says(Environment environment, String text) throws Exception {
    return environment.step(new Action(text, List.of()));
  }

  static Observation seen(String text, double reward) {
    return new Observation(
        List.of(new ChatMessage("user", text)), OptionalDouble.of(reward), false, Map.of());
  }

  static void fails(String reason, String message, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            EpisodeException.class, e -> assertThat(e.reason()).isEqualTo(reason))
        .hasMessageContaining(message);
  }
}
