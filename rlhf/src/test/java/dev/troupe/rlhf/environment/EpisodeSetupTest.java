package dev.troupe.rlhf.environment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.environment.calls.ToolCallFormat;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EnvironmentFactory;
import dev.troupe.rlhf.port.Sampler;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EpisodeSetupTest {
  private static final EnvironmentConfig JAVA = new EnvironmentConfig.JavaEnvironment("mine");
  private static final EpisodesConfig BOUNDS =
      new EpisodesConfig(1, 100, 8, 20, 60, Optional.empty());
  private static final String CALL =
      "<tool_call>{\"name\": \"look\", \"arguments\": {}}</tool_call>";

  private final AtomicInteger closed = new AtomicInteger();

  private Environments environments(boolean given) {
    EnvironmentFactory factory =
        new EnvironmentFactory() {
          @Override
          public String name() {
            return "mine";
          }

          @Override
          public List<Map<String, Object>> tools() {
            return List.of(Map.of("type", "function", "function", Map.of("name", "look")));
          }

          @Override
          public Environment create(Environment.Task task) {
            return new Environment() {
              @Override
              public Observation reset() {
                return Observation.none();
              }

              @Override
              public Observation step(Action action) {
                return new Observation(
                    List.of(), OptionalDouble.of(action.calls().size()), true, Map.of());
              }
            };
          }

          @Override
          public void close() {
            closed.incrementAndGet();
          }
        };
    return new Environments() {
      @Override
      public EnvironmentFactory make(String name, EnvironmentConfig config) {
        return factory;
      }

      @Override
      public boolean given(EnvironmentConfig config) {
        return given;
      }
    };
  }

  /** One that came with the run's request is the one that episodes are played with. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void factoryAskedForItsTools_isClosedUnlessGiven(boolean given) {
    EpisodeSetup setup =
        new EpisodeSetup(
            "grpo.environment", JAVA, BOUNDS, environments(given), new Letters(true, 1000));

    assertThat(setup.tools()).hasSize(1);
    assertThat(closed).hasValue(given ? 0 : 1);
  }

  private Rollout says(String said, Letters text) {
    return says(said, text, BOUNDS);
  }

  private Rollout says(String said, Letters text, EpisodesConfig bounds) {
    Sampler policy =
        (prompts, answers, settings) ->
            CompletableFuture.completedFuture(
                List.of(
                    List.of(
                        new Rollout(
                            prompts.get(0),
                            text.encode(said),
                            said,
                            new Floats(new float[said.length()]),
                            FinishReason.EOS,
                            1))));
    try (Episodes episodes =
        new EpisodeSetup("grpo.environment", JAVA, bounds, environments(false), text)
            .open(policy, notice -> {})) {
      TokenIds prompt = text.encode("user:p$\nbot:");
      return dev.troupe.rlhf.recipe.Await.on(
              episodes.generate(
                  List.of(new Prompt("p", "p", prompt)),
                  new SamplingSettings(400, 1, 0, 1, List.of(), 7)))
          .get(0);
    }
  }

  @Test
  void rewards_seeTheThoughtAndNoCalls() {
    Letters text = new Letters(true, 1000);
    assertThat(says("<think>hm</think><answer>5</answer>", text).text())
        .isEqualTo("<think>hm</think><answer>5</answer>");
    assertThat(says("<think>hm</think>so" + CALL, text).text()).isEqualTo("<think>hm</think>so");
    // A thought that never ended is not closed here.
    assertThat(says("<think>hm", text).text()).isEqualTo("<think>hm");
  }

  /** As Llama 3.1's. */
  @Test
  void secondCall_whereTheTemplateWritesOne_isMalformed() {
    Rollout several = says(CALL + CALL, new Letters(true, 1000));
    assertThat(several.episode().orElseThrow().reward()).hasValue(2);
    assertThat(several.episode().orElseThrow().failedCalls()).isZero();

    Rollout single = says(CALL + CALL, new Letters(true, 1000, false));
    assertThat(single.episode().orElseThrow().reward()).hasValue(1);
    assertThat(single.episode().orElseThrow().calls()).isEqualTo(2);
    assertThat(single.episode().orElseThrow().failedCalls()).isEqualTo(1);
  }

  /** Over what the template's marks say. */
  @Test
  void formThatIsNamed_isRead() {
    Letters text = new Letters(true, 1000);
    String call = "[TOOL_CALLS]look{}";
    assertThat(says(call, text).episode().orElseThrow().calls()).isZero();
    assertThat(says(call, text, named(ToolCallFormat.MISTRAL)).episode().orElseThrow().calls())
        .isEqualTo(1);
    assertThat(says(CALL, text, named(ToolCallFormat.MISTRAL)).episode().orElseThrow().calls())
        .isZero();
  }

  @Test
  void templateOfNoKnownForm_asksForOne() {
    Letters text = new Letters(true, 1000, true, "{{ messages }}");
    assertThatThrownBy(() -> says(CALL, text))
        .isInstanceOf(EnvironmentException.class)
        .hasMessageContaining("writes calls in none of the forms that are known here")
        .hasMessageEndingWith(
            "name the form that the model writes in grpo.episodes.tool-calls (hermes, qwen-coder,"
                + " llama, mistral, glm, gpt-oss, deepseek, deepseek-dsml, gemma, lfm), or take a"
                + " model of another family");
    assertThat(says(CALL, text, named(ToolCallFormat.HERMES)).episode().orElseThrow().calls())
        .isEqualTo(1);
  }

  private static EpisodesConfig named(ToolCallFormat format) {
    return new EpisodesConfig(1, 100, 8, 20, 60, Optional.of(format));
  }

  @Test
  void variablesOfAPrompt_areRefusedWhereNoTurnCanFollow() {
    EpisodeSetup setup =
        new EpisodeSetup("e", JAVA, BOUNDS, environments(false), new Letters(true, 1000));
    assertThat(setup.refusal(Map.of("opening", "!"))).isEmpty();
    assertThat(setup.refusal(Map.of("single", true)))
        .hasValueSatisfying(why -> assertThat(why).contains("one message alone"));
  }
}
