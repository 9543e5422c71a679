package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Slot;
import dev.troupe.models.checkpoint.StoredWeight;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * The linear layers of a decoder layer that an adapter may change, by the names of all families, in
 * the order of the network. A model has some of them.
 */
public enum AdaptedLinear {
  Q_PROJ("self_attn.q_proj"),
  K_PROJ("self_attn.k_proj"),
  V_PROJ("self_attn.v_proj"),
  QKV_PROJ("self_attn.qkv_proj"),
  O_PROJ("self_attn.o_proj"),
  GATE_PROJ("mlp.gate_proj"),
  UP_PROJ("mlp.up_proj"),
  GATE_UP_PROJ("mlp.gate_up_proj"),
  DOWN_PROJ("mlp.down_proj");

  /** The kernels' matrices that adapters change, in the order of the network. */
  private static final List<Slot> SLOTS = List.of(Slot.QKV, Slot.OUT, Slot.UP, Slot.DOWN);

  /** Where a linear layer's outputs are among the rows of one of the kernels' matrices. */
  public record Rows(Slot slot, int first, int count) {}

  private final String path;

  AdaptedLinear(String path) {
    this.path = path;
  }

  /**
   * The name in {@code target_modules}, for example {@code q_proj}: what no other's path ends in.
   */
  public String key() {
    String last = path.substring(path.lastIndexOf('.') + 1);
    boolean alone = Arrays.stream(values()).filter(linear -> linear.isNamed(last)).count() == 1;
    return alone ? last : path;
  }

  /** Whether PEFT takes the name, in {@code target_modules}, to mean this layer. */
  private boolean isNamed(String name) {
    return path.equals(name) || path.endsWith("." + name);
  }

  /**
   * A model's layers by a name in {@code target_modules}: the path's end, or {@code all-linear}.
   * None when the model has no such layer.
   */
  public static Set<AdaptedLinear> named(ModelConfig model, String name) {
    Set<AdaptedLinear> found = EnumSet.noneOf(AdaptedLinear.class);
    of(model).stream()
        .filter(linear -> name.equals("all-linear") || linear.isNamed(name))
        .forEach(found::add);
    return found;
  }

  /** All that a model has, in the order of the network. */
  public static Set<AdaptedLinear> of(ModelConfig model) {
    Set<AdaptedLinear> all = EnumSet.noneOf(AdaptedLinear.class);
    groups(model).forEach(all::addAll);
    return all;
  }

  /** A model's, those together that read the same numbers: of q k v, o, gate up, and down. */
  public static List<List<AdaptedLinear>> groups(ModelConfig model) {
    return SLOTS.stream().map(slot -> in(model, slot)).toList();
  }

  private static List<AdaptedLinear> in(ModelConfig model, Slot slot) {
    return model.stored(slot, 0).parts().stream()
        .map(
            part ->
                Arrays.stream(values())
                    .filter(linear -> part.name().equals(linear.prefix(model, 0) + ".weight"))
                    .findFirst()
                    .orElseThrow(
                        () -> new IllegalStateException("no name for the layer " + part.name())))
        .toList();
  }

  /** Where its outputs are, in checkpoint order. */
  public Rows rows(ModelConfig model) {
    return find(model)
        .orElseThrow(() -> new IllegalArgumentException(model.architecture() + " has no " + key()));
  }

  private Optional<Rows> find(ModelConfig model) {
    for (Slot slot : SLOTS) {
      StoredWeight weight = model.stored(slot, 0);
      int first = 0;
      for (StoredWeight.Part part : weight.parts()) {
        if (part.name().equals(prefix(model, 0) + ".weight")) {
          return Optional.of(new Rows(slot, first, part.rows()));
        }
        first += part.rows();
      }
    }
    return Optional.empty();
  }

  /** Width of its input. */
  public int inputs(ModelConfig model) {
    return model.stored(rows(model).slot(), 0).columns();
  }

  /** Width of its output. */
  public int outputs(ModelConfig model) {
    return rows(model).count();
  }

  /**
   * The name of LoRA's A in a layer, {@code (rank, inputs)}: {@code
   * model.layers.0.self_attn.q_proj.lora_A.weight}.
   */
  public String nameOfA(ModelConfig model, int layer) {
    return prefix(model, layer) + ".lora_A.weight";
  }

  /** The name of LoRA's B in a layer, {@code (outputs, rank)}. */
  public String nameOfB(ModelConfig model, int layer) {
    return prefix(model, layer) + ".lora_B.weight";
  }

  private String prefix(ModelConfig model, int layer) {
    return model.decoder().names().layer().formatted(layer) + path;
  }
}
