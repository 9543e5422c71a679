package dev.troupe.configuration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.rlhf.recipe.PpoConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a user is told of a run's own configuration. */
class ProblemsTest {
  private static final Path ROOT = Path.of(System.getProperty("troupe.root", ".."));
  private static final Pattern KEY = Pattern.compile("'([^']+)'");

  private final ConfigurationLoader<PipelineConfig> loader = PipelineConfigurations.loader();

  @TempDir Path directory;

  @Test
  void problemsOfSeveralRecords_areToldTogether() {
    assertThat(
            keys("model = m, dpo { held-out = 0, evaluation.held-out = 0 }, reward.held-out = 0"))
        .containsExactly("dpo.evaluation.held-out", "dpo.held-out", "reward.held-out");
  }

  /** The rule: whatever is refused alone is refused in company too. */
  @Test
  void everyKeyOutOfRange_isToldBesideAllOthers() {
    Set<String> alone = new TreeSet<>();
    List<String> all = new ArrayList<>(List.of("stages = [sft, dpo]"));
    for (RecordKeys.Key key : RecordKeys.of(PipelineConfig.class)) {
      Class<?> type = RecordBinder.raw(key.type());
      if (key.path().startsWith("template.") || !(type == int.class || type == double.class)) {
        continue;
      }
      Set<String> found = keys("model = m, " + key.path() + " = -1.5e9");
      alone.addAll(found);
      all.add(key.path() + " = -1.5e9");
    }
    assertThat(alone).hasSizeGreaterThan(90);
    // Without a model, too: the outermost record's problem beside those of the innermost.
    assertThat(keys(String.join("\n", all))).containsAll(alone).contains("model");
  }

  @Test
  void aKeyOfAnotherKind_doesNotHideItsNeighbours() {
    assertThat(
            keys(
                """
                model = m, sft { epochs = many, batch-size = 0, held-out = -1 }
                ppo { prompts-per-iteration = lots, minibatches = 100, ppo-epochs = 0 }
                data { sft = [{ path = a, limit = 0, weight = heavy }, { weight = 1 }], max-tokens = 1 }
                """))
        .containsExactlyInAnyOrder(
            "sft.epochs",
            "sft.batch-size",
            "sft.held-out",
            "ppo.prompts-per-iteration",
            // Not ppo.minibatches: whether 100 are too many nobody knows yet.
            "ppo.ppo-epochs",
            "data.sft[0].weight",
            "data.sft[0].limit",
            "data.sft[1].path",
            "data.max-tokens");
  }

  @ParameterizedTest
  @CsvSource({
    "sft.learning-rate, sft.optimizer.learning-rate",
    "sft.rank, sft.tuning.rank",
    "reward.lr, ''",
    "ppo.kl-coeficient, ppo.kl.coefficient",
    "ppo.kl_coef, ppo.kl.coefficient",
    "ppo.max-new-tokens, ppo.generation.max-new-tokens",
    "ppo.gamma, ppo.advantages.gamma",
    "ppo.optimizer.learning-rate, ppo.policy.optimizer",
    "dpo.evaluation.temperature, dpo.evaluation.generation.temperature",
    "dpo.learning-rat, dpo.optimizer.learning-rate",
    "kl-coefficient, ppo.kl.coefficient",
    "port, dashboard.port",
    "sft.max-tokens, data.max-tokens",
    "ppo.iteratons, ppo.iterations",
    "quickstart.promts, quickstart.prompts",
  })
  void unknownKey_isAnsweredByTheSectionItStandsIn(String key, String meant) {
    var thrown =
        catchThrowableOfType(
            ConfigException.class, () -> loader.parse("model = m, " + key + " = 1", List.of()));
    assertThat(thrown.problems()).hasSize(1);
    if (meant.isEmpty()) {
      assertThat(thrown).hasMessageContaining("known here: ");
    } else {
      assertThat(thrown).hasMessageContaining("; did you mean '" + meant + "'");
    }
  }

  @Test
  void severalMeant_areNamed() {
    assertThatThrownBy(() -> loader.parse("model = m, ppo.optimizer { beta1 = 0 }", List.of()))
        .hasMessageEndingWith(
            "unknown key 'ppo.optimizer'; did you mean 'ppo.policy.optimizer' or"
                + " 'ppo.critic.optimizer'?");
  }

  @Test
  void theExampleOfSet_isAKeyThatExists() {
    assertThat(
            loader
                .parse("model = m", List.of(ConfigurationLoader.EXAMPLE))
                .value()
                .sections()
                .of("ppo", PpoConfig.class)
                .kl()
                .coefficient())
        .isEqualTo(0.05);
  }

  @Test
  void presets_areFoundFromAnywhere() throws IOException {
    for (String preset : PipelineConfigurations.PRESETS) {
      String text = "include \"" + preset + "\"\nmodel = m";
      Path file = directory.resolve("my.conf");
      Files.writeString(file, text);
      var expected = loader.load(ROOT.resolve("configs").resolve(preset), List.of("model=m"));
      assertThat(loader.load(file, List.of()).value()).isEqualTo(expected.value());
      assertThat(loader.parse(text, List.of()).value()).isEqualTo(expected.value());
      assertThat(loader.parse("include classpath(\"" + preset + "\")\nmodel=m", List.of()).value())
          .isEqualTo(expected.value());
    }
    try (Stream<Path> files = Files.list(ROOT.resolve("configs/presets"))) {
      assertThat(files.map(file -> "presets/" + file.getFileName()))
          .containsExactlyInAnyOrderElementsOf(PipelineConfigurations.PRESETS);
    }
  }

  @Test
  void aPresetBesideTheFile_comesFirst() throws IOException {
    Files.createDirectory(directory.resolve("presets"));
    Files.writeString(directory.resolve("presets/modern.conf"), "seed = 77");
    Path file = directory.resolve("my.conf");
    Files.writeString(file, "include \"presets/modern.conf\"\nmodel = m");
    assertThat(loader.load(file, List.of()).value().seed()).isEqualTo(77);
  }

  private Set<String> keys(String text) {
    var thrown = catchThrowableOfType(ConfigException.class, () -> loader.parse(text, List.of()));
    Set<String> keys = new TreeSet<>();
    if (thrown != null) {
      for (ConfigException.Problem problem : thrown.problems()) {
        Matcher matcher = KEY.matcher(problem.text());
        assertThat(matcher.find()).as(problem.text()).isTrue();
        keys.add(matcher.group(1));
      }
    }
    return keys;
  }
}
