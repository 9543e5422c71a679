package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.ModelConfig;
import java.util.Arrays;
import java.util.stream.Collectors;

/** The linear layers of a decoder layer that LoRA can adapt. */
public enum Projection {
  Q_PROJ("self_attn.q_proj"),
  K_PROJ("self_attn.k_proj"),
  V_PROJ("self_attn.v_proj"),
  O_PROJ("self_attn.o_proj"),
  GATE_PROJ("mlp.gate_proj"),
  UP_PROJ("mlp.up_proj"),
  DOWN_PROJ("mlp.down_proj");

  private final String path;

  Projection(String path) {
    this.path = path;
  }

  /** For example {@code self_attn.q_proj}. */
  public String path() {
    return path;
  }

  /** For example {@code q_proj}, as adapters' target_modules name it. */
  public String shortName() {
    return path.substring(path.indexOf('.') + 1);
  }

  /** By {@link #shortName}. */
  public static Projection named(String name) {
    return Arrays.stream(values())
        .filter(projection -> projection.shortName().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "no linear layer '"
                        + name
                        + "'; LoRA can adapt "
                        + Arrays.stream(values())
                            .map(Projection::shortName)
                            .collect(Collectors.joining(", "))));
  }

  int inputs(ModelConfig config) {
    return switch (this) {
      case O_PROJ -> config.heads() * config.headDim();
      case DOWN_PROJ -> config.intermediateSize();
      case Q_PROJ, K_PROJ, V_PROJ, GATE_PROJ, UP_PROJ -> config.hiddenSize();
    };
  }

  int outputs(ModelConfig config) {
    return switch (this) {
      case Q_PROJ -> config.heads() * config.headDim();
      case K_PROJ, V_PROJ -> config.kvHeads() * config.headDim();
      case GATE_PROJ, UP_PROJ -> config.intermediateSize();
      case O_PROJ, DOWN_PROJ -> config.hiddenSize();
    };
  }

  /** Heads whose rows the kernels hold interleaved; 0 where rows are in checkpoint order. */
  int rotaryHeads(ModelConfig config) {
    return switch (this) {
      case Q_PROJ -> config.heads();
      case K_PROJ -> config.kvHeads();
      case V_PROJ, O_PROJ, GATE_PROJ, UP_PROJ, DOWN_PROJ -> 0;
    };
  }
}
