package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.RunRequest;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.engine.HybridEngines;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole runs leave the same bytes on one lane and on several, whoever answers the prompts. */
class LanesRunTest {
  @TempDir Path directory;

  /**
   * By whichever operators this machine has; and by torch's, whose log-probabilities are computed
   * again by themselves.
   */
  @ParameterizedTest
  @ValueSource(strings = {"auto", "torch"})
  void sftRewardModelDpoAndPpo_onOneLane_onTwo_andOnThreeWithRolloutWorkers(String kernels)
      throws Exception {
    List<String> small =
        List.of(
            "stages=[sft,reward,dpo,ppo]",
            "engine.kernels=" + kernels,
            "quickstart.answered=96",
            "quickstart.preferences=96",
            "quickstart.prompts=96",
            "sft.packing=true",
            "sft.held-out=16",
            "reward.held-out=16",
            "dpo.held-out=16",
            "dpo.evaluation.held-out=8",
            "ppo.iterations=2",
            "ppo.prompts-per-iteration=24",
            "ppo.evaluation.held-out=8");
    Map<String, String> one = weights(Quickstarts.CONFIGURATION, small, 1, 0);
    assertThat(one).hasSize(4);
    assertThat(weights(Quickstarts.CONFIGURATION, small, 2, 0)).isEqualTo(one);
    assertThat(weights(Quickstarts.CONFIGURATION, small, 3, 2)).isEqualTo(one);
  }

  /** Every weight is trained, and what samples is exact or, by the library, in bytes. */
  @ParameterizedTest
  @EnumSource(names = {"FP32", "INT8"})
  void grpo_onOneLane_andTwo(Storage weights) throws Exception {
    Numerics numerics = new Numerics(Storage.FP32, weights);
    assumeTrue(weights == Storage.FP32 || HybridEngines.operators(numerics).areNative());
    Path configuration = Quickstarts.ROOT.resolve("configs/quickstart-grpo.conf");
    Path data = configuration.resolveSibling("quickstart-grpo");
    List<String> small =
        List.of(
            "engine.rollout-weights=" + weights.name().toLowerCase(Locale.ROOT),
            "data.sft=[{path=\"" + data.resolve("worked.jsonl") + "\"}]",
            "data.prompts=[{path=\"" + data.resolve("problems.jsonl") + "\"}]",
            "sft.epochs=1",
            "grpo.iterations=3",
            "grpo.prompts-per-iteration=8",
            "grpo.answers-per-prompt=4",
            "grpo.evaluation.held-out=8");
    Map<String, String> one = weights(configuration, small, 1, 0);
    assertThat(one).hasSize(2);
    assertThat(weights(configuration, small, 2, 0)).isEqualTo(one);
  }

  /** While one round is learned from, others sample the next; or one engine does all in turn. */
  @ParameterizedTest
  @CsvSource({"0, int8", "1, int8", "2, int8", "1, fp32", "0, nf4"})
  void ppo_ofStaleRollouts_inOneEngine_andWithRolloutWorkers(int staleness, String weights)
      throws Exception {
    assumeTrue(
        weights.equals("fp32")
            || HybridEngines.operators(new Numerics(Storage.FP32, Storage.INT8)).areNative());
    List<String> small =
        List.of(
            "stages=[reward,ppo]",
            "engine.rollout-weights=" + weights,
            "engine.base.storage=" + (weights.equals("nf4") ? weights : "auto"),
            "rollouts.staleness=" + staleness,
            "quickstart.answered=96",
            "quickstart.preferences=96",
            "quickstart.prompts=160",
            "reward.held-out=16",
            "ppo.iterations=4",
            "ppo.prompts-per-iteration=48",
            "ppo.evaluation.held-out=8");
    Map<String, String> one = weights(Quickstarts.CONFIGURATION, small, 1, 0);
    assertThat(one).hasSize(2);
    assertThat(weights(Quickstarts.CONFIGURATION, small, 2, 3)).isEqualTo(one);
  }

  /** Of every stage, the bytes of what it trained. */
  private Map<String, String> weights(
      Path configuration, List<String> more, int count, int rolloutWorkers) throws Exception {
    Path output = directory.resolve(String.valueOf(count));
    List<String> overrides = new ArrayList<>(Quickstarts.whole(output));
    overrides.addAll(more);
    var loaded = PipelineConfigurations.loader().load(configuration, overrides);
    try (Lanes lanes = new Lanes(count)) {
      Ensemble here = Ensemble.local(new HybridEngines(lanes), rolloutWorkers);
      Pipeline.start(RunRequest.of(loaded.value(), loaded.text()).on(here)).result().get();
    }
    Map<String, String> found = new TreeMap<>();
    try (Stream<Path> files = Files.walk(output)) {
      for (Path file : files.filter(LanesRunTest::isTrained).toList()) {
        found.put(output.relativize(file).toString(), hash(file));
      }
    }
    return found;
  }

  private static boolean isTrained(Path file) {
    String name = file.getFileName().toString();
    return !file.toString().contains("checkpoints")
        && (name.equals("adapter_model.safetensors") || name.equals("model.safetensors"));
  }

  private static String hash(Path file) throws IOException {
    return HexFormat.of().formatHex(sha256().digest(Files.readAllBytes(file)));
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
