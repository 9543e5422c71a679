package dev.troupe.tests;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.engine.HybridEngines;
import dev.troupe.engine.RoleEngine;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Twenty steps of QLoRA as peft and bitsandbytes take them on the CPU in train mode
 * (src/test/golden/parity/make_qlora.py), from the same adapter, on the same model and data. Prints
 * the largest differences, which docs/qlora.md lists.
 */
class QloraParityTest {
  private static final Path GOLDEN = Quickstarts.ROOT.resolve("src/test/resources/parity");
  private static final List<String> ALL =
      List.of("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj");

  /** Of a final weight after twenty steps of a rate of 1e-2. */
  private static final double WEIGHTS = 1e-4;

  @TempDir Path directory;

  private record Case(String name, Quantisation held, Numerics.Kernels kernels) {
    @Override
    public String toString() {
      return name + " by " + kernels;
    }
  }

  static List<Case> cases() {
    return List.of(
        new Case("qlora-nf4", new Quantisation(Storage.NF4, 64, false), Numerics.Kernels.AUTO),
        new Case("qlora-nf4", new Quantisation(Storage.NF4, 64, false), Numerics.Kernels.TORCH),
        new Case(
            "qlora-nf4-double", new Quantisation(Storage.NF4, 64, true), Numerics.Kernels.AUTO),
        new Case("qlora-fp4", new Quantisation(Storage.FP4, 64, false), Numerics.Kernels.AUTO));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void twentySteps_arePeftsAndBitsandbytes(Case tried) throws IOException {
    JsonNode golden = PeerSteps.golden(tried.name());
    RoleSpec spec =
        PeerSteps.spec(
                GOLDEN.resolve("model-blocks"),
                Optional.of(GOLDEN.resolve(tried.name()).resolve("initial").toString()),
                new Tuning.Lora(4, 8, ALL),
                Head.LANGUAGE_MODEL,
                4,
                20)
            .with(new Numerics(Storage.FP32, Storage.FP32, tried.kernels()).on(tried.held()));
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(spec)) {
      double worst =
          PeerSteps.repeat(
              engine,
              new SftObjective(Averaging.GLOBAL_TOKEN),
              golden,
              golden.path("steps"),
              text -> new SftExample(PeerSteps.sequence(text)));
      PeerSteps.assertSameWeights(
          directory, tried.toString(), engine, tried.name() + "/final", worst, WEIGHTS);
    }
  }
}
