package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.Tuning;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Reward models of others score as they do there; models/src/test/golden/make_classifiers.py. */
class RewardModelStartTest {
  private static final Path GOLDEN =
      Path.of(
          System.getProperty("troupe.root", ".."), "models/src/test/resources/golden/classifiers");

  private static RoleSpec frozen(String model, Optional<String> adapter, Head head) {
    return new RoleSpec(
        "reward",
        GOLDEN.resolve(model).toString(),
        adapter.map(name -> GOLDEN.resolve(name).toString()),
        new Tuning.Frozen(),
        head,
        Optional.empty(),
        1,
        Optional.empty(),
        1);
  }

  private static RoleSpec critic(Tuning tuning) {
    return new RoleSpec(
        "critic",
        GOLDEN.resolve("llama").toString(),
        Optional.empty(),
        tuning,
        Head.VALUE,
        Optional.of(
            new OptimizerSettings(
                new LearningRateSchedule(LearningRateSchedule.Shape.CONSTANT, 1e-3, 0, 1),
                0.9,
                0.95,
                1e-8,
                0,
                0,
                0)),
        1,
        Optional.empty(),
        1);
  }

  private static JsonNode expected() throws IOException {
    return new ObjectMapper().readTree(GOLDEN.resolve("expected.json").toFile());
  }

  private static List<Double> scores(RoleEngine engine) throws IOException {
    List<Sequence> sequences = new ArrayList<>();
    for (JsonNode text : expected().path("tokens")) {
      int[] tokens = new int[text.size()];
      for (int i = 0; i < tokens.length; i++) {
        tokens[i] = text.get(i).asInt();
      }
      sequences.add(Sequence.ofLast(new TokenIds(tokens)));
    }
    return engine.evaluate(sequences, Set.of(Output.VALUES)).stream()
        .map(output -> (double) output.values().get(0))
        .toList();
  }

  @ParameterizedTest
  @CsvSource({"llama,llama,", "qwen2,qwen2,", "gpt2,gpt2,", "peft,lm,peft"})
  void scores_areThoseOfTransformers(String name, String model, String adapter) throws IOException {
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(frozen(model, Optional.ofNullable(adapter), Head.VALUE))) {
      List<Double> scores = scores(engine);
      for (int i = 0; i < scores.size(); i++) {
        assertThat(scores.get(i))
            .isCloseTo(expected().path("scores").path(name).get(i).asDouble(), within(5e-6));
      }
    }
  }

  /** A critic that starts from it begins with the same values, whatever of it is trained. */
  @Test
  void critic_startsAsTheClassifier() throws IOException {
    for (Tuning tuning :
        List.of(
            new Tuning.Full(),
            new Tuning.Lora(
                2,
                4,
                List.of(Tuning.ALL_LINEAR),
                false,
                0,
                false,
                List.of(),
                java.util.Map.of(),
                java.util.Map.of(),
                Tuning.Lora.Start.KAIMING,
                Tuning.Lora.Bias.NONE))) {
      try (HybridEngines engines = new HybridEngines();
          RoleEngine engine = engines.open(critic(tuning))) {
        assertThat(scores(engine).get(0))
            .isCloseTo(expected().path("scores").path("llama").get(0).asDouble(), within(5e-6));
      }
    }
  }

  @Test
  void twoLabels_areRefused() {
    try (HybridEngines engines = new HybridEngines()) {
      assertThatThrownBy(() -> engines.open(frozen("two-labels", Optional.empty(), Head.VALUE)))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("tensor 'score.weight' has shape [2, 16], expected [1, 16]")
          .hasMessageContaining("a reward model has one label");
    }
  }

  @Test
  void classifier_writesNoText_alsoWhereItIsLoadedAlready() {
    try (HybridEngines engines = new HybridEngines()) {
      RoleSpec writer = frozen("llama", Optional.empty(), Head.LANGUAGE_MODEL);
      assertThatThrownBy(() -> engines.open(writer))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("is a sequence classifier (config.json, architectures)")
          .hasMessageContaining("start.reward");
      try (RoleEngine reward = engines.open(frozen("llama", Optional.empty(), Head.VALUE))) {
        assertThat(reward.spec().head()).isEqualTo(Head.VALUE);
        assertThatThrownBy(() -> engines.open(writer))
            .isInstanceOf(EngineException.class)
            .hasMessageContaining("is a sequence classifier: it can be a reward model");
      }
    }
  }

  @Test
  void rewardModelsAdapter_writesNoText() {
    try (HybridEngines engines = new HybridEngines()) {
      assertThatThrownBy(() -> engines.open(frozen("lm", Optional.of("peft"), Head.LANGUAGE_MODEL)))
          .isInstanceOf(EngineException.class)
          .hasMessageContaining("is a reward model's or a critic's: it holds a score");
    }
  }

  @Test
  void check_findsTheSame_withoutLoading() {
    HybridEngines.check(frozen("llama", Optional.empty(), Head.VALUE));
    HybridEngines.check(frozen("lm", Optional.of("peft"), Head.VALUE));
    HybridEngines.check(critic(new Tuning.Full()));
    assertThatThrownBy(
            () -> HybridEngines.check(frozen("lm", Optional.of("peft"), Head.LANGUAGE_MODEL)))
        .hasMessageContaining("it holds a score");
    assertThatThrownBy(() -> HybridEngines.check(frozen("lm", Optional.empty(), Head.VALUE)))
        .hasMessageContaining("holds no value head");
    assertThatThrownBy(
            () -> HybridEngines.check(frozen("llama", Optional.empty(), Head.LANGUAGE_MODEL)))
        .hasMessageContaining("is a sequence classifier");
  }
}
