package dev.troupe.tests;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.engine.HybridEngines;
import dev.troupe.engine.RoleEngine;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.SafetensorsFile;
import dev.troupe.models.checkpoint.SafetensorsWriter;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Twenty steps of every way of tuning, as peft takes them (src/test/golden/parity/make_tuning.py),
 * from the same adapter, on the same model and data. Prints the largest differences, which
 * docs/tuning.md lists.
 */
class TuningParityTest {
  private static final Path GOLDEN = Quickstarts.ROOT.resolve("src/test/resources/parity");
  private static final List<String> ALL =
      List.of("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj");

  private static final List<String> BIASED = List.of("bitfit", "lora-bias");

  private static final int STEPS = 20;
  private static final int WARMUP = 4;

  /** Of a final weight after twenty steps of a rate of 1e-2. */
  private static final double WEIGHTS = 1e-4;

  @TempDir Path directory;

  private record Case(String name, Tuning tuning) {
    String model() {
      return BIASED.contains(name) ? "model-biased" : "model";
    }

    @Override
    public String toString() {
      return name;
    }
  }

  static List<Case> cases() {
    return List.of(
        new Case("bitfit", new Tuning.Bitfit()),
        new Case("partial", new Tuning.Partial(1, Optional.of("lm_head.weight"))),
        new Case("ln-tuning", new Tuning.LnTuning(List.of())),
        new Case("ia3", new Tuning.Ia3(List.of(), List.of())),
        new Case("loha", new Tuning.Loha(3, 6, ALL, List.of(), Map.of(), Map.of())),
        new Case("lokr", new Tuning.Lokr(2, 4, ALL, List.of(), -1, false, Map.of(), Map.of())),
        new Case("oft", new Tuning.Oft(4, ALL, List.of(), 5)),
        new Case("vera", new Tuning.Vera(8, 0.1, 0, ALL, List.of())),
        new Case("adalora", new Tuning.Adalora(4, 2, 8, ALL, List.of(), 3, 5, 2, 0.85, 0.85, 0.5)),
        new Case("boft", new Tuning.Boft(4, ALL, List.of())),
        new Case("pissa", lora(ALL, Tuning.Lora.Start.PISSA, false, List.of())),
        new Case("olora", lora(ALL, Tuning.Lora.Start.OLORA, false, List.of())),
        new Case("lora-bias", lora(ALL, Tuning.Lora.Start.KAIMING, true, List.of())),
        new Case(
            "lora-vocabulary",
            lora(
                List.of("q_proj", "embed_tokens", "lm_head"),
                Tuning.Lora.Start.KAIMING,
                false,
                List.of())),
        new Case(
            "lora-tokens",
            lora(
                List.of("q_proj", "v_proj"), Tuning.Lora.Start.KAIMING, false, List.of(3, 11, 40))),
        new Case("prefix", new Tuning.Prefix(4, 0, false)),
        new Case("prefix-encoder", new Tuning.Prefix(4, 16, false)),
        new Case("prompt", new Tuning.Prompt(4, Tuning.Prompt.Beginning.RANDOM, "")),
        new Case("p-tuning", new Tuning.PTuning(4, 16)),
        new Case(
            "lora-modules",
            new Tuning.Lora(
                4,
                8,
                List.of("q_proj", "v_proj"),
                false,
                0,
                false,
                List.of(),
                Map.of(),
                Map.of(),
                Tuning.Lora.Start.KAIMING,
                Tuning.Lora.Bias.NONE,
                List.of("lm_head"),
                1)),
        new Case(
            "lora-plus",
            new Tuning.Lora(
                4,
                8,
                ALL,
                false,
                0,
                true,
                List.of(),
                Map.of(),
                Map.of(),
                Tuning.Lora.Start.KAIMING,
                Tuning.Lora.Bias.NONE,
                List.of(),
                6)));
  }

  private static Tuning lora(
      List<String> targets, Tuning.Lora.Start start, boolean biasOfB, List<Integer> tokens) {
    return new Tuning.Lora(
        4,
        8,
        targets,
        false,
        0,
        false,
        List.of(),
        Map.of(),
        Map.of(),
        start,
        Tuning.Lora.Bias.NONE,
        List.of(),
        1,
        0,
        biasOfB,
        tokens);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void twentySteps_arePefts(Case tried) throws IOException {
    JsonNode golden = PeerSteps.golden(tried.name());
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(spec(tried))) {
      double worst =
          PeerSteps.repeat(
              engine,
              new SftObjective(Averaging.GLOBAL_TOKEN),
              golden,
              golden.path("steps"),
              text -> new SftExample(PeerSteps.sequence(text)));
      Path saved = directory.resolve(tried.name());
      engine.save(saved);
      if (tried.tuning() instanceof Tuning.Lora lora
          && (lora.start() == Tuning.Lora.Start.PISSA || lora.start() == Tuning.Lora.Start.OLORA)) {
        keepTrainedHalves(saved.resolve("adapter_model.safetensors"));
      }
      PeerSteps.assertSameWeights(saved, tried.name(), tried.name() + "/final", worst, WEIGHTS);
    }
  }

  /** peft's file has what is trained; the other half is what it began as, of either sign. */
  private static void keepTrainedHalves(Path file) {
    Map<String, TensorData> halves = new LinkedHashMap<>();
    try (SafetensorsFile all = SafetensorsFile.open(file)) {
      for (String name : all.names()) {
        float[] values = all.floats(name);
        long[] shape = all.shape(name).toArray();
        boolean a = name.contains("lora_A");
        int rows = (int) (a ? shape[0] / 2 : shape[0]);
        int columns = (int) (a ? shape[1] : shape[1] / 2);
        float[] half = new float[rows * columns];
        for (int row = 0; row < rows; row++) {
          System.arraycopy(values, row * (int) shape[1], half, row * columns, columns);
        }
        halves.put(name, TensorData.of(half, rows, columns));
      }
    }
    SafetensorsWriter.write(file, halves, DType.F32);
  }

  private static RoleSpec spec(Case tried) {
    Path initial = GOLDEN.resolve(tried.name()).resolve("initial");
    return new RoleSpec(
        "policy",
        GOLDEN.resolve(tried.model()).toString(),
        Files.exists(initial) ? Optional.of(initial.toString()) : Optional.empty(),
        tried.tuning(),
        Head.LANGUAGE_MODEL,
        Optional.of(
            new OptimizerSettings(
                new LearningRateSchedule(LearningRateSchedule.Shape.COSINE, 1e-2, WARMUP, STEPS),
                0.9,
                0.999,
                1e-8,
                0.01,
                1,
                0)),
        1,
        Optional.empty(),
        0);
  }
}
