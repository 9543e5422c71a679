package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Output;
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
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** bfloat16 matrices beside float32 ones, on the same work. */
class NumericsTest {
  private static final Numerics HALF = new Numerics(Storage.BF16, Storage.FP32);

  /** Where the library of operators multiplies bfloat16, torch's products beside its. */
  private static final Numerics TORCHS =
      new Numerics(Storage.BF16, Storage.FP32, Numerics.Kernels.TORCH);

  /**
   * Eight bits of each factor: a relative error of 2^-9 per number, grown over two layers and a
   * vocabulary's normalisation. In float32 the same comparison gives 1e-6.
   */
  private static final double LOGPROB_ERROR = 0.1;

  @TempDir Path directory;
  private Path model;

  @BeforeEach
  void writeModel() {
    model = TinyModel.write(directory.resolve("model"), TinyModel.CONFIG);
  }

  static List<Tuning> tunings() {
    List<Tuning> tunings = new ArrayList<>(TinyModel.METHODS);
    tunings.addAll(
        List.of(
            new Tuning.Lora(3, 6, List.of(Tuning.ALL_LINEAR)),
            TinyModel.DORA,
            TinyModel.BESIDE,
            TinyModel.PISSA,
            TinyModel.VOCABULARY,
            TinyModel.TOKENS,
            new Tuning.LnTuning(List.of()),
            new Tuning.Partial(1, Optional.of("lm_head.weight")),
            new Tuning.Full()));
    return tunings;
  }

  @ParameterizedTest
  @MethodSource("tunings")
  void bf16_staysCloseToFp32_inLogprobsGradientAndTraining(Tuning tuning) {
    List<Nll.Text> texts = texts();
    RoleSpec exact = TinyModel.role(model, tuning, Head.LANGUAGE_MODEL);
    try (HybridEngines engines = new HybridEngines();
        HybridEngine fp32 = (HybridEngine) engines.open(exact);
        HybridEngine bf16 = (HybridEngine) engines.open(exact.with(HALF))) {
      for (int step = 0; step < 3; step++) {
        double worst = worst(logprobs(fp32, texts), logprobs(bf16, texts));
        assertThat(worst).as("step " + step).isBetween(1e-5, LOGPROB_ERROR);
        float[] expected = fp32.trainer().gradient(new Nll(), texts);
        float[] found = bf16.trainer().gradient(new Nll(), texts);
        assertThat(cosine(expected, found)).as("step " + step).isGreaterThan(0.999);
        fp32.update(new Nll(), texts);
        bf16.update(new Nll(), texts);
      }
    }
  }

  /** What families do beside Llama: biases, norms behind, soft caps, parallel residuals. */
  @ParameterizedTest
  @ValueSource(
      strings = {"bloom", "gemma2", "gemma3", "gpt-neox", "gpt2", "opt", "phi3", "qwen2", "qwen3"})
  void bf16_ofEachFamily_staysCloseToFp32(String family) {
    Path golden =
        Path.of(
            System.getProperty("troupe.root"),
            "models/src/test/resources/golden/families/" + family);
    List<Nll.Text> texts = texts();
    for (boolean dora : List.of(false, true)) {
      Tuning tuning =
          new Tuning.Lora(
              3,
              6,
              List.of(Tuning.ALL_LINEAR),
              false,
              0,
              dora,
              List.of(),
              Map.of(),
              Map.of(),
              Tuning.Lora.Start.KAIMING,
              Tuning.Lora.Bias.NONE);
      RoleSpec exact = TinyModel.role(golden, tuning, Head.LANGUAGE_MODEL);
      try (HybridEngines engines = new HybridEngines();
          HybridEngine fp32 = (HybridEngine) engines.open(exact);
          HybridEngine bf16 = (HybridEngine) engines.open(exact.with(HALF));
          HybridEngine torchs = (HybridEngine) engines.open(exact.with(TORCHS))) {
        float[] expected = fp32.trainer().gradient(new Nll(), texts);
        for (HybridEngine half : List.of(bf16, torchs)) {
          assertThat(worst(logprobs(fp32, texts), logprobs(half, texts)))
              .isBetween(1e-5, LOGPROB_ERROR);
          assertThat(cosine(expected, half.trainer().gradient(new Nll(), texts)))
              .isGreaterThan(0.995); // least: opt, 0.998
        }
      }
    }
  }

  @Test
  void bf16_basesAreShared_andTakeHalf() {
    RoleSpec exact =
        TinyModel.role(model, new Tuning.Lora(3, 6, List.of("q_proj")), Head.LANGUAGE_MODEL);
    try (HybridEngines engines = new HybridEngines();
        RoleEngine fp32 = engines.open(exact);
        RoleEngine bf16 = engines.open(exact.with(HALF))) {
      double ratio = bf16.memoryBytes().get("base") / (double) fp32.memoryBytes().get("base");
      // Norms and tables of rotation stay float32.
      assertThat(ratio).isBetween(0.5, 0.7);
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

  private static double cosine(float[] a, float[] b) {
    double dot = 0;
    double aa = 0;
    double bb = 0;
    for (int i = 0; i < a.length; i++) {
      dot += (double) a[i] * b[i];
      aa += (double) a[i] * a[i];
      bb += (double) b[i] * b[i];
    }
    return dot / Math.sqrt(aa * bb);
  }

  private static List<Nll.Text> texts() {
    Random random = new Random(4);
    List<Nll.Text> texts = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      int[] tokens = random.ints(9 + i, 0, TinyModel.CONFIG.vocabSize()).toArray();
      texts.add(new Nll.Text(Sequence.ofTargets(new TokenIds(tokens), 3)));
    }
    return texts;
  }
}
