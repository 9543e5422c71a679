package dev.troupe.engine;

import dev.troupe.models.checkpoint.CheckpointWriter;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Tuning;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A random Llama of odd sizes: three query heads on one key head, a head dimension that is not
 * hidden / heads.
 */
final class TinyModel {
  static final ModelConfig CONFIG = config(2);

  /** Of more layers than one segment of recomputation has. */
  static final ModelConfig DEEP = config(5);

  /** Of texts longer than the others'. */
  static final ModelConfig LONG = config(2, 1200);

  private static ModelConfig config(int layers) {
    return config(layers, 64);
  }

  private static ModelConfig config(int layers, int context) {
    return ModelConfig.llama(
        37,
        20,
        28,
        layers,
        6,
        2,
        8,
        1e-5,
        10000,
        context,
        false,
        List.of(1),
        OptionalInt.empty(),
        OptionalInt.empty());
  }

  static final List<String> ALL =
      List.of("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj");

  /** Every choice of a LoRA but DoRA. */
  static final Tuning.Lora CHOICES =
      new Tuning.Lora(
          3,
          6,
          List.of("self_attn.q_proj", "v_proj", "o_proj", "up_proj", "down_proj"),
          true,
          0.3,
          false,
          List.of(1),
          Map.of("v_proj", 2),
          Map.of("layers.1.mlp.*", 2.5),
          Tuning.Lora.Start.GAUSSIAN,
          Tuning.Lora.Bias.NONE);

  static final Tuning.Lora DORA =
      new Tuning.Lora(
          2,
          6,
          List.of("regex:.*\\.(q_proj|k_proj|o_proj|gate_proj|down_proj)"),
          false,
          0,
          true,
          List.of(),
          Map.of(),
          Map.of(),
          Tuning.Lora.Start.KAIMING,
          Tuning.Lora.Bias.NONE);

  /** LoRA beside modules that are trained whole. */
  static final Tuning.Lora BESIDE =
      new Tuning.Lora(
          2,
          6,
          List.of("q_proj", "down_proj"),
          false,
          0,
          false,
          List.of(),
          Map.of(),
          Map.of(),
          Tuning.Lora.Start.KAIMING,
          Tuning.Lora.Bias.NONE,
          List.of("lm_head", "v_proj", "input_layernorm"),
          4);

  /** The methods whose parameters each belong to one linear layer. */
  static final List<Tuning> METHODS =
      List.of(
          new Tuning.Ia3(List.of(), List.of()),
          new Tuning.Ia3(ALL, List.of("k_proj", "down_proj")),
          new Tuning.Loha(2, 4, ALL, List.of(), Map.of("v_proj", 1), Map.of()),
          new Tuning.Lokr(
              2, 4, List.of(Tuning.ALL_LINEAR), List.of(), -1, false, Map.of(), Map.of()),
          new Tuning.Oft(4, ALL, List.of(1), 5),
          new Tuning.Oft(4, List.of("q_proj", "o_proj"), List.of(), 0),
          new Tuning.Vera(5, 0.5, 3, ALL, List.of()),
          new Tuning.Boft(4, ALL, List.of(1)),
          new Tuning.Prefix(3, 0, false),
          new Tuning.Prefix(2, 8, false),
          new Tuning.Prompt(3, Tuning.Prompt.Beginning.VOCABULARY, ""),
          new Tuning.PTuning(2, 8),
          new Tuning.Adalora(4, 2, 6, ALL, List.of(), 2, 85, 3, 0.85, 0.85, 0.5));

  /** LoRA that starts as a part of the base. */
  static final Tuning.Lora PISSA = lora(ALL, Tuning.Lora.Start.PISSA, List.of());

  /** LoRA on the vocabulary. */
  static final Tuning.Lora VOCABULARY =
      lora(List.of("k_proj", "embed_tokens", "lm_head"), Tuning.Lora.Start.ORTHOGONAL, List.of());

  /** LoRA beside rows of the embedding. */
  static final Tuning.Lora TOKENS =
      lora(List.of("o_proj"), Tuning.Lora.Start.OLORA, List.of(5, 2, 30));

  private static Tuning.Lora lora(
      List<String> targets, Tuning.Lora.Start start, List<Integer> tokens) {
    return new Tuning.Lora(
        2,
        6,
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
        false,
        tokens);
  }

  private TinyModel() {}

  /** Writes it as a checkpoint, with weights large enough for an uneven distribution. */
  static Path write(Path directory, ModelConfig config) {
    Map<String, float[]> tensors = BaseModel.randomTensors(config, 5);
    Map<String, TensorData> named = new LinkedHashMap<>();
    config
        .tensors()
        .forEach(
            (name, shape) -> {
              float[] values = tensors.get(name);
              if (!name.endsWith("norm.weight")) {
                for (int i = 0; i < values.length; i++) {
                  values[i] *= 8;
                }
              }
              named.put(name, new TensorData(shape, FloatBuffer.wrap(values)));
            });
    CheckpointWriter.write(directory, config, named, DType.F32, Long.MAX_VALUE);
    return directory;
  }

  static RoleSpec role(Path model, Tuning tuning, Head head) {
    return role(model, tuning, head, 0);
  }

  static RoleSpec role(Path model, Tuning tuning, Head head, int microBatchTokens) {
    return role(model, tuning, head, microBatchTokens, false);
  }

  static RoleSpec role(
      Path model, Tuning tuning, Head head, int microBatchTokens, boolean recompute) {
    return new RoleSpec(
        "policy",
        model.toString(),
        Optional.empty(),
        tuning,
        head,
        Optional.of(
            new OptimizerSettings(
                new LearningRateSchedule(LearningRateSchedule.Shape.CONSTANT, 1e-2, 0, 100),
                0.9,
                0.95,
                1e-8,
                0,
                1.0,
                microBatchTokens,
                recompute,
                false)),
        1.0,
        Optional.empty(),
        7);
  }
}
