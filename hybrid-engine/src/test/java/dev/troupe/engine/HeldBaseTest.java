package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.models.checkpoint.CheckpointWriter;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.Tuning;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A base that is held in blocks computes and trains as one whose weights are the numbers that come
 * out of the blocks.
 */
class HeldBaseTest {
  /** Rows of 96 numbers: blocks of 64 reach across them. */
  private static final ModelConfig CONFIG =
      ModelConfig.llama(
          37,
          96,
          160,
          3,
          6,
          2,
          16,
          1e-5,
          10000,
          64,
          false,
          List.of(1),
          OptionalInt.empty(),
          OptionalInt.empty());

  private static final Quantisation NF4 = new Quantisation(Storage.NF4, 64, true);

  @TempDir Path directory;
  private Path model;

  private record Case(String name, Quantisation held, Numerics numerics, Tuning tuning) {
    @Override
    public String toString() {
      return name;
    }

    /** Of a log-probability, and of a gradient's share. */
    double tolerance() {
      return numerics.precision() == Storage.BF16 ? 2e-2 : 2e-5;
    }
  }

  static List<Case> cases() {
    Tuning lora = new Tuning.Lora(3, 6, List.of(Tuning.ALL_LINEAR));
    Numerics torchs = new Numerics(Storage.FP32, Storage.FP32, Numerics.Kernels.TORCH);
    Numerics half = new Numerics(Storage.BF16, Storage.BF16);
    Numerics halfTorchs = new Numerics(Storage.BF16, Storage.BF16, Numerics.Kernels.TORCH);
    return List.of(
        new Case("NF4", NF4, Numerics.EXACT, lora),
        new Case("NF4, scales in float32", of(Storage.NF4, 64, false), Numerics.EXACT, lora),
        new Case("NF4 in blocks of 256", of(Storage.NF4, 256, true), Numerics.EXACT, lora),
        new Case("FP4", of(Storage.FP4, 64, true), Numerics.EXACT, lora),
        new Case("INT8", of(Storage.INT8, 64, true), Numerics.EXACT, lora),
        new Case("NF4 by torch", NF4, torchs, lora),
        new Case("INT8 by torch", of(Storage.INT8, 64, false), torchs, lora),
        new Case("NF4 in bf16", NF4, half, lora),
        new Case("NF4 in bf16 by torch", NF4, halfTorchs, lora),
        new Case("with choices", NF4, Numerics.EXACT, TinyModel.CHOICES),
        new Case("with DoRA", NF4, Numerics.EXACT, TinyModel.DORA),
        new Case("with IA3", NF4, Numerics.EXACT, new Tuning.Ia3(List.of(), List.of())),
        new Case("with OFT", NF4, Numerics.EXACT, new Tuning.Oft(4, TinyModel.ALL, List.of(1), 5)),
        new Case("with norms", NF4, Numerics.EXACT, new Tuning.LnTuning(List.of())));
  }

  private static Quantisation of(Storage storage, int block, boolean doubled) {
    return new Quantisation(storage, block, doubled);
  }

  @BeforeEach
  void writeModel() {
    model = TinyModel.write(directory.resolve("model"), CONFIG);
  }

  /** Writes the model whose weights are what comes out of the blocks. */
  private Path outOfBlocks(Quantisation held) {
    Path target = directory.resolve("numbers");
    try (BaseModel base = BaseModel.load(model, Storage.FP32, Optional.of(held))) {
      ParameterLayout all = ParameterLayout.full(CONFIG, false);
      CheckpointWriter.write(
          target, CONFIG, all.checkpointTensors(all.copyOf(base, 0)), DType.F32, Long.MAX_VALUE);
    }
    return target;
  }

  @ParameterizedTest
  @MethodSource("cases")
  void logprobsGradientsAndSteps_areThoseOfTheNumbersThatComeOut(Case tried) {
    List<Nll.Text> texts = texts();
    RoleSpec plain =
        TinyModel.role(outOfBlocks(tried.held()), tried.tuning(), Head.LANGUAGE_MODEL)
            .with(tried.numerics());
    RoleSpec held =
        TinyModel.role(model, tried.tuning(), Head.LANGUAGE_MODEL)
            .with(tried.numerics().on(tried.held()));
    try (HybridEngines engines = new HybridEngines();
        HybridEngine expected = (HybridEngine) engines.open(plain);
        HybridEngine found = (HybridEngine) engines.open(held)) {
      for (int step = 0; step < 3; step++) {
        String at = "step " + step;
        assertThat(worst(logprobs(expected, texts), logprobs(found, texts)))
            .as(at)
            .isLessThan(tried.tolerance());
        float[] gradient = expected.trainer().gradient(new Nll(), texts);
        assertThat(share(gradient, found.trainer().gradient(new Nll(), texts)))
            .as(at)
            .isLessThan(tried.tolerance());
        expected.update(new Nll(), texts);
        found.update(new Nll(), texts);
      }
      double ratio = found.memoryBytes().get("base") / (double) expected.memoryBytes().get("base");
      assertThat(ratio).isLessThan(0.6);
    }
  }

  @Test
  void fullTuning_andWhatNeedsTheMatrices_areRefusedInWords() {
    assertRefused(
        new Tuning.Full(),
        "the policy cannot be as configured: a base held in NF4 is frozen: not every weight can be"
            + " trained on it. Let tuning.type be lora, or engine.base.storage be auto");
    assertRefused(
        new Tuning.Partial(1, Optional.empty()),
        "the policy cannot be as configured: a base held in NF4 is frozen:"
            + " [model.layers.2.self_attn.q_proj.weight, model.layers.2.self_attn.k_proj.weight,"
            + " model.layers.2.self_attn.v_proj.weight] cannot be trained as it is, as norms, biases,"
            + " embedding and output matrix can. Let what is trained name none of the layers'"
            + " matrices, or engine.base.storage be auto");
    assertRefused(
        new Tuning.Loha(2, 4, TinyModel.ALL, List.of(), Map.of(), Map.of()),
        "the policy cannot be as configured: a base held in NF4 is frozen: LOHA makes each of its"
            + " matrices anew in every pass, which then is there whole. Let tuning.type be lora, ia3"
            + " or oft, or engine.base.storage be auto");
    assertRefused(
        new Tuning.Lokr(2, 4, TinyModel.ALL, List.of(), -1, false, Map.of(), Map.of()),
        "the policy cannot be as configured: a base held in NF4 is frozen: LOKR makes each of its"
            + " matrices anew in every pass, which then is there whole. Let tuning.type be lora, ia3"
            + " or oft, or engine.base.storage be auto");
    assertRefused(
        TinyModel.BESIDE,
        "the policy cannot be as configured: a base held in NF4 is frozen:"
            + " [model.layers.0.self_attn.q_proj.weight, model.layers.0.self_attn.k_proj.weight,"
            + " model.layers.0.self_attn.v_proj.weight] cannot be trained as it is, as norms, biases,"
            + " embedding and output matrix can. Let what is trained name none of the layers'"
            + " matrices, or engine.base.storage be auto");
  }

  @Test
  void tensorsThatAreNoMultipleOfTheBlock_areRefusedByName() {
    RoleSpec odd =
        TinyModel.role(
                TinyModel.write(directory.resolve("odd"), TinyModel.CONFIG),
                new Tuning.Lora(3, 6, List.of("q_proj")),
                Head.LANGUAGE_MODEL)
            .with(Numerics.EXACT.on(NF4));
    assertThatThrownBy(() -> HybridEngines.check(odd))
        .isInstanceOf(EngineException.class)
        .hasMessageContaining("model.layers.0.mlp.gate_proj.weight [28, 20] has 560 numbers")
        .hasMessageContaining("Let engine.base.block-size be a divisor");
  }

  private void assertRefused(Tuning tuning, String message) {
    RoleSpec spec = TinyModel.role(model, tuning, Head.LANGUAGE_MODEL).with(Numerics.EXACT.on(NF4));
    assertThatThrownBy(() -> HybridEngines.check(spec))
        .isInstanceOf(EngineException.class)
        .hasMessage(message);
    try (HybridEngines engines = new HybridEngines()) {
      assertThatThrownBy(() -> engines.open(spec)).hasMessage(message);
    }
  }

  private static List<float[]> logprobs(RoleEngine engine, List<Nll.Text> texts) {
    List<Sequence> sequences = texts.stream().map(Nll.Text::sequence).toList();
    return engine.evaluate(sequences, Set.of(Output.LOGPROBS)).stream()
        .map(output -> output.logprobs().values())
        .toList();
  }

  private static double worst(List<float[]> expected, List<float[]> found) {
    double worst = 0;
    for (int i = 0; i < expected.size(); i++) {
      for (int t = 0; t < expected.get(i).length; t++) {
        worst = Math.max(worst, Math.abs(expected.get(i)[t] - (double) found.get(i)[t]));
      }
    }
    return worst;
  }

  /** The length of the difference, as a share of the expected. */
  private static double share(float[] expected, float[] found) {
    double difference = 0;
    double all = 0;
    for (int i = 0; i < expected.length; i++) {
      difference += Math.pow(expected[i] - (double) found[i], 2);
      all += Math.pow(expected[i], 2);
    }
    return Math.sqrt(difference / all);
  }

  private static List<Nll.Text> texts() {
    Random random = new Random(4);
    List<Nll.Text> texts = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      int[] tokens = random.ints(9 + i, 0, CONFIG.vocabSize()).toArray();
      texts.add(new Nll.Text(Sequence.ofTargets(new TokenIds(tokens), 3)));
    }
    return texts;
  }
}
