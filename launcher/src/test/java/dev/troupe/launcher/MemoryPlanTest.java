package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.troupe.engine.HybridEngines;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.torch.Device;
import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.rlhf.recipe.OptimizerConfig;
import dev.troupe.rlhf.recipe.TuningConfig;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class MemoryPlanTest {
  private static final long MIB = 1L << 20;

  /** TinyLlama-1.1B's shape: 1,100,048,384 parameters as its model card counts them. */
  private static final ModelSize TINY_LLAMA =
      new ModelSize(
          ModelConfig.llama(
              32000,
              2048,
              5632,
              22,
              32,
              4,
              64,
              1e-5,
              10_000,
              2048,
              false,
              List.of(2),
              OptionalInt.empty(),
              OptionalInt.empty()));

  private static final OptimizerConfig OPTIMIZER =
      new OptimizerConfig(
          1e-4, LearningRateSchedule.Shape.CONSTANT, 0, 0.9, 0.999, 1e-8, 0, 1, 1024, false);

  @Test
  void parameters_ofAKnownModel() {
    assertThat(TINY_LLAMA.trainedParameters(new TuningConfig.Full())).isEqualTo(1_100_048_384L);
    assertThat(TINY_LLAMA.baseBytes(Numerics.EXACT)).isEqualTo(4 * 1_100_048_384L);
  }

  @Test
  void base_inBf16_takesTwoBytesPerNumberButForNorms() {
    Numerics half = new Numerics(Storage.BF16, Storage.FP32);
    assertThat(TINY_LLAMA.baseBytes(half)).isEqualTo(2 * 1_100_048_384L + 2 * 45 * 2048);
  }

  /** By hand: codes, a byte for each 64, a float for each 256 of these, a float for each tensor. */
  @Test
  void base_inFourBits_takesAQuarterOfTheLayersInBf16() {
    long layers = 968_884_224;
    long held = layers / 2 + layers / 64 + layers / 64 / 256 * 4 + 22 * 7 * 4;
    Numerics numerics =
        new Numerics(Storage.BF16, Storage.INT8).on(new Quantisation(Storage.NF4, 64, true));
    assertThat(TINY_LLAMA.baseBytes(numerics))
        .isEqualTo(held + 2L * 2 * 32_000 * 2048 + 4 * 45 * 2048);
    assertThat(held / (2.0 * layers)).isLessThan(0.27);
    assertThat(TINY_LLAMA.baseBytes(numerics) / (2.0 * 1_100_048_384L)).isLessThan(0.36);
  }

  /** By hand; 16 micro-batches of the run, four of each node. */
  @Test
  void everyWeight_inShards_isHeldByQuarters() {
    OptimizerConfig small =
        new OptimizerConfig(
            1e-4, LearningRateSchedule.Shape.CONSTANT, 0, 0.9, 0.999, 1e-8, 0, 1, 256, false);
    MemoryPlan plan =
        new MemoryPlan.Builder(TINY_LLAMA, Numerics.EXACT, 1)
            .trainedInShards("sft train", "policy", new TuningConfig.Full(), small, 16, 256, 4)
            .build(Device.CPU, 0);
    long all = 1_100_048_384L + 2048;
    long chunks = (all + 65_535) / 65_536;
    long state = (chunks + 3) / 4 * 65_536 * 12;
    assertThat(plan.items())
        .extracting(MemoryPlan.Item::purpose, MemoryPlan.Item::bytes)
        .contains(
            tuple("weights", 4 * all),
            tuple("gradients", 4 * all * HybridEngines.gradients(4, 1)),
            tuple("exchange", 12 * all));
    assertThat(
            plan.items().stream()
                .filter(item -> item.purpose().equals("optimizer"))
                .mapToLong(MemoryPlan.Item::bytes)
                .sum())
        .isBetween(state - 65_536 * 12, state)
        .isLessThan(3 * all * 4 * 3 / 10);
  }

  @Test
  void shadow_byFormat() {
    // All matrices but the embedding: 22 layers of 44,040,192, and 32,000 outputs.
    long matrices = 22L * 44_040_192 + 32_000L * 2048;
    for (Storage weights : Storage.ofRollouts()) {
      int bytes =
          switch (weights) {
            case FP32 -> 4;
            case BF16, FP16 -> 2;
            case INT8 -> 1;
            default -> throw new AssertionError(weights);
          };
      assertThat(TINY_LLAMA.shadowBytes(new Numerics(Storage.FP32, weights)))
          .isEqualTo(bytes * matrices);
    }
  }

  @Test
  void loraParameters_byHand() {
    // q: (2048 + 2048) * 8, v: (2048 + 256) * 8, 22 layers.
    assertThat(
            TINY_LLAMA.trainedParameters(new TuningConfig.Lora(8, 16, List.of("q_proj", "v_proj"))))
        .isEqualTo(22L * 8 * (4096 + 2304));
  }

  @Test
  void loraParameters_ofPatternsAndLayers() {
    TuningConfig.Lora patterns =
        new TuningConfig.Lora(
            8,
            16,
            List.of("q_proj", "v_proj"),
            false,
            0,
            false,
            List.of(0, 21),
            Map.of("v_proj", 2),
            Map.of(),
            Tuning.Lora.Start.KAIMING,
            Tuning.Lora.Bias.NONE);
    assertThat(TINY_LLAMA.trainedParameters(patterns)).isEqualTo(2L * (8 * 4096 + 2 * 2304));
  }

  /** What stays as it starts is not trained, and has moments and gradients all the same. */
  @Test
  void parameters_thatStay_areOwnAndNotTrained() {
    // q: 2048 outputs of 2048 inputs, 22 layers; VeRA's two matrices once.
    TuningConfig vera = new TuningConfig.Vera(8, 0.1, 0, List.of("q_proj"), List.of());
    assertThat(TINY_LLAMA.trainedParameters(vera)).isEqualTo(22 * (2048 + 8));
    assertThat(TINY_LLAMA.ownParameters(vera)).isEqualTo(22 * (2048 + 8) + 2 * 8 * 2048);
    TuningConfig.Lora pissa =
        new TuningConfig.Lora(
            8,
            16,
            List.of("q_proj"),
            false,
            0,
            false,
            List.of(),
            Map.of(),
            Map.of(),
            Tuning.Lora.Start.PISSA,
            Tuning.Lora.Bias.NONE);
    assertThat(TINY_LLAMA.trainedParameters(pissa)).isEqualTo(22 * 8 * 4096);
    assertThat(TINY_LLAMA.ownParameters(pissa)).isEqualTo(2 * 22 * 8 * 4096);
  }

  /** A lane makes one weight of blocks numbers at a time: gate and up, 2 x 5632 by 2048. */
  @Test
  void activations_ofABaseInBlocks_haveAWeightOutOfThem() {
    TuningConfig lora = new TuningConfig.Lora(8, 16, List.of("q_proj"));
    Numerics held = Numerics.EXACT.on(new Quantisation(Storage.NF4, 64, true));
    assertThat(trained(held, lora, 8, 1024) - trained(Numerics.EXACT, lora, 8, 1024))
        .isEqualTo(2L * 4 * 2 * 5632 * 2048);
  }

  @Test
  void cache_ofOneToken() {
    // 22 layers, keys and values, 4 heads of 64.
    assertThat(TINY_LLAMA.cacheNumbersPerToken()).isEqualTo(22 * 2 * 256);
  }

  /** Bytes of a number; where the node's operators decide, the larger. */
  @Test
  void cache_byNumbers() {
    Numerics bytes = new Numerics(Storage.FP32, Storage.INT8, Numerics.Kernels.NATIVE);
    assertThat(HybridEngines.cacheBytes(bytes)).isEqualTo(2);
    assertThat(HybridEngines.cacheBytes(bytes.with(Numerics.Cache.FP32))).isEqualTo(4);
    assertThat(HybridEngines.cacheBytes(Numerics.EXACT)).isEqualTo(4);
    assertThat(HybridEngines.cacheBytes(Numerics.EXACT.with(Numerics.Cache.BF16))).isEqualTo(2);
    assertThat(HybridEngines.cacheBytes(new Numerics(Storage.BF16, Storage.BF16))).isEqualTo(4);
    Numerics half = Numerics.EXACT.with(Numerics.Cache.BF16);
    assertThat(cache(half) * 2).isEqualTo(cache(Numerics.EXACT));
  }

  private static long cache(Numerics numerics) {
    return new MemoryPlan.Builder(TINY_LLAMA, numerics, 1)
        .generating("ppo generate", "policy", 4, 100).build(Device.CPU, 0).items().stream()
            .filter(item -> item.purpose().equals("kv-cache"))
            .mapToLong(MemoryPlan.Item::bytes)
            .sum();
  }

  @Test
  void activations_ofRolesThatTakeTurns_areCountedOnce() {
    TuningConfig lora = new TuningConfig.Lora(8, 16, List.of("q_proj"));
    MemoryPlan.Builder one =
        new MemoryPlan.Builder(TINY_LLAMA, Numerics.EXACT, 1)
            .trained("ppo train", "policy", lora, OPTIMIZER, 1, 1024);
    long alone = one.build(Device.CPU, 0).byPhase().get("ppo train");
    long both =
        one.trained("ppo train", "critic", lora, OPTIMIZER, 1, 1024)
            .build(Device.CPU, 0)
            .byPhase()
            .get("ppo train");
    long adapterAndOptimizer = 4L * 4 * (22 * 8 * 4096 + 2048);
    assertThat(both - alone).isEqualTo(adapterAndOptimizer);
  }

  /** Micro-batches have 1024 tokens, and a text of 4096 is never cut. */
  @Test
  void activations_ofATextLongerThanAMicroBatch() {
    TuningConfig lora = new TuningConfig.Lora(8, 16, List.of("q_proj"));
    long perToken = TINY_LLAMA.activationNumbersPerToken(4096, false);
    assertThat(perToken).isEqualTo(TINY_LLAMA.activationNumbersPerToken(1024, false));
    // Of logits a lane keeps those of 2^25 / 32,000 positions, 1048, at most.
    assertThat(trained(lora, 8, 4096) - trained(lora, 8, 1024))
        .isEqualTo(2L * 4 * (3072 * perToken + 24L * 32_000));
  }

  private static long trained(TuningConfig tuning, long sequences, long longest) {
    return trained(Numerics.EXACT, tuning, sequences, longest);
  }

  private static long trained(
      Numerics numerics, TuningConfig tuning, long sequences, long longest) {
    return new MemoryPlan.Builder(TINY_LLAMA, numerics, 2)
        .trained("sft train", "policy", tuning, OPTIMIZER, sequences, longest)
        .build(Device.CPU, 0)
        .byPhase()
        .get("sft train");
  }

  @Test
  void fullTuning_neverFitsWhereLoraDoes() {
    MemoryPlan lora = plan(new TuningConfig.Lora(8, 16, List.of("q_proj", "v_proj")));
    MemoryPlan full = plan(new TuningConfig.Full());
    assertThat(full.neededBytes()).isGreaterThan(lora.neededBytes() + 24_000 * MIB);
    assertThatCode(() -> lora.check(16_000 * MIB)).doesNotThrowAnyException();
    assertThatThrownBy(() -> full.check(16_000 * MIB))
        .hasMessage(
            "too little memory: 'sft train' needs 39.0 GiB (2.0 GiB of it the JVM's heap),"
                + " 15.6 GiB are available. The largest item is optimizer of the policy, 24.6 GiB."
                + " Train an adapter instead of every weight (tuning.type = lora), with a lower"
                + " rank, or use a smaller model.");
  }

  @Test
  void text_hasALinePerPhase() {
    MemoryPlan plan =
        new MemoryPlan(
            List.of(
                new MemoryPlan.Item("sft train", "all", "base", 100 * MIB),
                new MemoryPlan.Item("sft train", "policy", "optimizer", 20 * MIB),
                new MemoryPlan.Item("ppo generate", "all", "base", 100 * MIB),
                new MemoryPlan.Item("ppo generate", "policy", "kv-cache", 2048 * MIB)),
            Device.CPU,
            512 * MIB);
    assertThat(plan.text(OptionalLong.of(8192 * MIB)))
        .isEqualTo(
            """
            memory plan (estimate)
              phase                   base   optimizer    kv-cache    together
              sft train            100 MiB      20 MiB                 120 MiB
              ppo generate         100 MiB                 2.0 GiB     2.1 GiB
              with the JVM's heap (512 MiB) and libtorch the run needs 2.7 GiB; 8.0 GiB are available""");
  }

  @Test
  void onCuda_theHeapIsElsewhere() {
    MemoryPlan plan =
        new MemoryPlan.Builder(TINY_LLAMA, Numerics.EXACT, 1)
            .base("sft train")
            .build(Device.cuda(1), 2048 * MIB);
    long base = plan.byPhase().get("sft train");
    assertThat(plan.neededBytes()).isEqualTo(base + 300 * MIB);
    assertThat(plan.text(OptionalLong.of(8192 * MIB)))
        .endsWith("with libtorch the run needs 4.4 GiB on cuda:1; 8.0 GiB are available");
    assertThat(plan.text(OptionalLong.empty()))
        .endsWith("with libtorch the run needs 4.4 GiB on a CUDA device of the hosts");
    assertThatThrownBy(() -> plan.check(1024 * MIB))
        .hasMessageStartingWith(
            "too little memory on cuda:1: 'sft train' needs 4.4 GiB, 1.0 GiB are available.");
  }

  private static MemoryPlan plan(TuningConfig tuning) {
    return new MemoryPlan.Builder(TINY_LLAMA, Numerics.EXACT, 1)
        .base("sft train")
        .trained("sft train", "policy", tuning, OPTIMIZER, 8, 1024)
        .build(Device.CPU, 2048 * MIB);
  }
}
