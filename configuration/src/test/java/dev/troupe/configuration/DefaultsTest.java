package dev.troupe.configuration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.rlhf.loss.GroupAdvantages;
import dev.troupe.rlhf.loss.Ratio;
import dev.troupe.rlhf.recipe.GrpoConfig;
import dev.troupe.rlhf.recipe.Learn;
import dev.troupe.rlhf.recipe.LengthConfig;
import dev.troupe.rlhf.recipe.PpoConfig;
import dev.troupe.rlhf.recipe.RolloutsConfig;
import dev.troupe.rlhf.recipe.SurrogateConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class DefaultsTest {
  private static final Path ROOT = Path.of(System.getProperty("troupe.root", ".."));

  /** Presets name no model; every other file must load as it is. */
  private static final List<String> MODEL = List.of("model=some/model");

  private final ConfigurationLoader<PipelineConfig> loader = PipelineConfigurations.loader();

  @Test
  void everyKeyHasAValueAndAComment_andARecordReadsIt() {
    assertThat(new ConfigurationReference(PipelineConfig.class, loader.defaults()).gaps())
        .isEmpty();
  }

  @Test
  void aKeyThatNoRecordReads_isAGap() {
    var defaults =
        com.typesafe.config.ConfigFactory.parseString("ppo.horizon = 1")
            .withFallback(loader.defaults());
    assertThat(new ConfigurationReference(PipelineConfig.class, defaults).gaps())
        .containsExactly("ppo.horizon: no record reads it");
  }

  @Test
  void everyFileUnderConfigsLoads() throws IOException {
    List<Path> files;
    try (Stream<Path> tree = Files.walk(ROOT.resolve("configs"))) {
      files = tree.filter(path -> path.toString().endsWith(".conf")).sorted().toList();
    }
    for (Path file : files) {
      boolean preset = file.getParent().endsWith("presets");
      assertThat(loader.load(file, preset ? MODEL : List.of()).value())
          .as(file.toString())
          .isNotNull();
      assertThat(file).content().as("says how it is used").startsWith("#").contains("Purpose:");
    }
    assertThat(files).hasSizeGreaterThanOrEqualTo(2);
  }

  @Test
  void presetModern_isTheDefaults() {
    assertThat(loader.load(ROOT.resolve("configs/presets/modern.conf"), MODEL).value())
        .isEqualTo(loader.parse("", MODEL).value());
  }

  @Test
  void presetDeepSpeedChat_differsInItsKl() {
    var value = loader.load(ROOT.resolve("configs/presets/deepspeed-chat.conf"), MODEL).value();
    assertThat(value.sections().of("ppo", PpoConfig.class).kl().coefficient()).isEqualTo(0.1);
    assertThat(value.sections().of("ppo", PpoConfig.class).policy().emaDecay()).contains(0.992);
  }

  @Test
  void presetsOfGrpo_areTheAlgorithmsThatTheyAreNamedAfter() {
    GrpoConfig grpo = grpo("grpo");
    assertThat(grpo.kl().coefficient()).isEqualTo(0.04);
    assertThat(grpo.learn())
        .isEqualTo(
            new Learn.PolicyGradient(
                Ratio.TOKEN,
                new SurrogateConfig.Clip(0.2, 0.2, Optional.empty()),
                Learn.Mean.ANSWER,
                0));
    GrpoConfig dapo = grpo("dapo");
    assertThat(dapo.groups()).isEqualTo(new GrpoConfig.Groups(GrpoConfig.Constant.REFILL, 3));
    assertThat(dapo.length()).isEqualTo(new LengthConfig(Optional.of(204), 1, 1, true));
    assertThat(dapo.needsReference()).isFalse();
    assertThat(dapo.epochs() * dapo.minibatches()).as("updates per round").isEqualTo(16);
    GrpoConfig scalerl = grpo("scalerl");
    assertThat(scalerl.advantages().scale()).isEqualTo(GroupAdvantages.Scale.BATCH);
    assertThat(scalerl.learn())
        .isEqualTo(
            new Learn.PolicyGradient(
                Ratio.TOKEN, new SurrogateConfig.Cispo(5), Learn.Mean.PROMPT, 0));
  }

  private GrpoConfig grpo(String preset) {
    return loader
        .load(ROOT.resolve("configs/presets/" + preset + ".conf"), MODEL)
        .value()
        .sections()
        .of("grpo", GrpoConfig.class);
  }

  @Test
  void modelAndStagesMustFit() {
    org.assertj.core.api.Assertions.assertThatThrownBy(() -> loader.parse("", List.of()))
        .hasMessageContaining(
            "'model' is null, allowed: a checkpoint directory, unless the first stage is pretrain");
  }

  /** A base in blocks is frozen; what would train its matrices is told before a model is read. */
  @Test
  void baseInBlocks_whoseMatricesWouldBeTrained_isRefused() {
    for (String type : List.of("full", "loha", "lokr")) {
      assertThatThrownBy(
              () ->
                  loader.parse(
                      "stages = [sft]\nengine.base.storage = nf4\nsft.tuning.type = " + type,
                      MODEL))
          .as(type)
          .hasMessageContaining(
              "'engine.base.storage' is nf4, allowed: auto where sft trains the layers' matrices"
                  + " (tuning.type full) or makes them anew (loha, lokr)");
    }
    for (String type : List.of("lora", "ia3", "oft")) {
      loader.parse("stages = [sft]\nengine.base.storage = nf4\nsft.tuning.type = " + type, MODEL);
    }
  }

  /** Rounds that are learned from by other weights than sampled them, where that cannot be. */
  @Test
  void staleRollouts_thatCannotBe_areRefused() {
    String grpo =
        """
        rollouts.staleness = 1
        stages = [grpo]
        grpo.rewards { right { type = number } }
        """;
    assertThatThrownBy(() -> loader.parse("rollouts.staleness = -1\nstages = [sft]", MODEL))
        .hasMessageContaining("'rollouts.staleness' is -1, allowed: at least 0");
    assertThatThrownBy(
            () ->
                loader.parse(
                    """
                    rollouts.staleness = 20
                    ppo.iterations = 20
                    ppo.policy.importance-cap = null
                    engine.on-policy = exact
                    """,
                    MODEL))
        .hasMessageContaining(
            "'rollouts.staleness' is 20, allowed: below ppo.iterations (20), or the weights that the"
                + " stage begins with answer all prompts")
        .hasMessageContaining(
            "'ppo.policy.importance-cap' is null, allowed: a number with rollouts.staleness above 0:"
                + " older weights sampled")
        .hasMessageContaining(
            "'engine.on-policy' is exact, allowed: usual with rollouts.staleness above 0, as what"
                + " older weights sampled is not what ppo learns by");
    assertThatThrownBy(
            () ->
                loader.parse(
                    grpo
                        + """
                        grpo.environment { type = calculator }
                        grpo.groups.constant = refill
                        grpo.learn { ratio = sequence-mean, averaging = answer }
                        grpo.policy.importance-cap = null
                        """,
                    MODEL))
        .hasMessageContaining(
            "'grpo.environment' is given, allowed: null with rollouts.staleness above 0")
        .hasMessageContaining(
            "'grpo.groups.constant' is refill, allowed: keep or drop with rollouts.staleness above 0")
        .hasMessageContaining(
            "'grpo.learn.ratio' is sequence-mean, allowed: token with rollouts.staleness above 0")
        .hasMessageContaining(
            "'grpo.policy.importance-cap' is null, allowed: a number with rollouts.staleness above 0");
    assertThatThrownBy(
            () -> loader.parse(grpo + "grpo.kl { coefficient = 0.1, gradient = corrected }", MODEL))
        .hasMessageContaining(
            "'grpo.kl.gradient' is corrected, allowed: estimate or divergence with"
                + " rollouts.staleness above 0");
    assertThat(
            loader
                .parse("rollouts.staleness = 4\nstages = [sft, reward, ppo]", MODEL)
                .value()
                .rollouts())
        .isEqualTo(new RolloutsConfig(true, 4));
    // Of a stage that the run does not have, nothing is asked.
    assertThat(loader.parse("rollouts.staleness = 4000\nstages = [sft]", MODEL).value().rollouts())
        .isEqualTo(new RolloutsConfig(true, 4000));
  }

  @Test
  void effectiveText_loadsToTheSame() {
    var loaded = loader.parse("quickstart.answered = 7", MODEL);
    assertThat(loader.parse(loaded.text(), List.of()).value()).isEqualTo(loaded.value());
  }

  @Test
  void referenceIsFresh() throws IOException {
    Path page = ROOT.resolve("docs/configuration.md");
    String made =
        new ConfigurationReference(PipelineConfig.class, loader.defaults())
            .markdown(WriteConfigurationReference.COMMAND);
    assertThat(Files.exists(page) ? Files.readString(page) : "")
        .as(
            "docs/configuration.md is stale; write it anew: %s",
            WriteConfigurationReference.COMMAND)
        .isEqualTo(made);
  }
}
