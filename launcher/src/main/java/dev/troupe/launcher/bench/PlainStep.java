package dev.troupe.launcher.bench;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Slot;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.torch.GradMode;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.rlhf.loss.SftExample;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;

/**
 * The step of {@link TrainSteps} with LoRA on attention, the plain way: Java calls torch operation
 * by operation, as a program does that is written in arrays, and all texts go through at once. For
 * a Llama. Without the optimiser, which is a thousandth of a step.
 *
 * <p>What an operation gives lives until the step ends, for the backward pass may want it.
 */
final class PlainStep implements AutoCloseable {
  private static final int RANK = 8;
  private static final double SCALE = 2;

  /**
   * Pieces of the parameter buffer per layer: A of q, k, v; their B; A and B of the output; the
   * MLP's.
   */
  private static final int PIECES = 11;

  /** What a step finds. */
  record Result(double loss, double gradientNorm) {}

  private final ModelConfig config;
  private final Lanes lanes;
  private final int rows;
  private final int tokens;
  private final KernelModule operations =
      KernelModule.load(PlainStep.class, "/kernels/plain.py", Map.of(), Map.of());

  /** Open as long as this is. */
  private final List<Handle> kept = new ArrayList<>();

  private final Handle[] weights;

  /** Where a slot's weight stands, that of the first layer. */
  private final Map<Slot, Integer> places = new EnumMap<>(Slot.class);

  private final Handle parameters;
  private final Handle sizes;
  private final Handle mask;
  private final Handle ids;
  private final Handle reads;
  private final Handle targets;

  /** To be closed when the step ends. */
  private final List<Handle> made = new ArrayList<>();

  PlainStep(BaseModel base, TrainBench bench, Lanes lanes) {
    this.config = base.config();
    this.lanes = lanes;
    rows = bench.batch();
    tokens = bench.tokens();
    ParameterLayout layout =
        ParameterLayout.lora(
            config,
            RANK,
            SCALE * RANK,
            EnumSet.of(
                AdaptedLinear.Q_PROJ,
                AdaptedLinear.K_PROJ,
                AdaptedLinear.V_PROJ,
                AdaptedLinear.O_PROJ),
            false);
    weights = base.weights().parts();
    kept.addAll(List.of(weights));
    for (int i = 0; i < weights.length; i++) {
      places.putIfAbsent(config.weights().get(i).slot(), i);
    }
    sizes = keep(Handle.ofList((long[]) layout.kernelAttributes().get("sizes")));
    try (Handle initial = Handle.of(layout.initial(1), layout.size());
        Handle length = Handle.of((long) tokens)) {
      parameters = keep(lanes.run(() -> operations.train("leaf", initial)));
      mask = keep(lanes.run(() -> operations.train("causal", length)));
    }
    List<SftExample> texts = TrainSteps.examples(bench, config.vocabSize());
    long[] all = new long[rows * tokens];
    List<Long> at = new ArrayList<>();
    for (int row = 0; row < rows; row++) {
      Sequence text = texts.get(row).sequence();
      for (int i = 0; i < tokens; i++) {
        all[row * tokens + i] = text.tokens().get(i);
      }
      for (int read : text.reads().values()) {
        at.add((long) row * tokens + read);
      }
    }
    long[] positions = at.stream().mapToLong(Long::longValue).toArray();
    long[] wanted = at.stream().mapToLong(position -> all[(int) (position + 1)]).toArray();
    ids = keep(Handle.of(all, all.length));
    reads = keep(Handle.of(positions, positions.length));
    targets = keep(Handle.of(wanted, wanted.length, 1));
  }

  private Handle keep(Handle handle) {
    kept.add(handle);
    return handle;
  }

  Result step() {
    return lanes.run(
        () -> {
          try {
            return GradMode.with(this::forwardAndBackward);
          } finally {
            made.forEach(Handle::close);
            made.clear();
          }
        });
  }

  private Result forwardAndBackward() {
    Handle[] pieces = call("split", parameters, sizes).parts();
    made.addAll(List.of(pieces));
    Handle x = call("embedding", weight(0, Slot.EMBED), ids);
    Handle rope = call("complex", narrow(weight(0, Slot.ROPE), 0, 0, tokens));
    for (int layer = 0; layer < config.layers(); layer++) {
      x =
          call(
              "add",
              x,
              attention(normed(x, weight(layer, Slot.ATTENTION_NORM)), layer, pieces, rope));
      x = call("add", x, mlp(normed(x, weight(layer, Slot.MLP_NORM)), layer));
    }
    Handle states = call("select", normed(x, weight(0, Slot.NORM)), reads);
    Handle logits = call("linear", states, weight(0, Slot.HEAD));
    Handle loss = call("negative_mean", call("gather", call("log_softmax", logits), targets));
    Handle gradient = call("gradient", loss, parameters);
    return new Result(call("number", loss).asDouble(), call("norm", gradient).asDouble());
  }

  private Handle normed(Handle x, Handle gain) {
    Handle mean = call("mean", call("multiply", x, x));
    Handle scale = call("rsqrt", call("add_number", mean, number(config.normEps())));
    return call("multiply", call("multiply", x, scale), gain);
  }

  private Handle attention(Handle h, int layer, Handle[] pieces, Handle rope) {
    int heads = config.heads();
    int kv = config.kvHeads();
    int size = config.headDim();
    int first = PIECES * layer;
    Handle qkv = call("linear", h, weight(layer, Slot.QKV));
    Handle down = view(pieces[first], 3L * RANK, config.hiddenSize());
    Handle[] parts = new Handle[3];
    int[] counts = {heads, kv, kv};
    int at = 0;
    for (int i = 0; i < parts.length; i++) {
      int width = counts[i] * size;
      Handle low = lowRank(h, narrow(down, 0, i * RANK, RANK), pieces[first + 1 + i], width);
      parts[i] = view(call("add", narrow(qkv, 1, at, width), low), rows, tokens, counts[i], size);
      at += width;
    }
    Handle q = transpose(turned(parts[0], heads, rope), 1, 2);
    Handle k = transpose(repeated(turned(parts[1], kv, rope), heads / kv), 1, 2);
    Handle v = transpose(repeated(parts[2], heads / kv), 1, 2);
    Handle scores =
        call("multiply_number", call("matmul", q, transpose(k, 2, 3)), number(1 / Math.sqrt(size)));
    Handle shares = call("softmax", call("add", scores, mask));
    Handle mixed =
        view(transpose(call("matmul", shares, v), 1, 2), (long) rows * tokens, (long) heads * size);
    Handle out = call("linear", mixed, weight(layer, Slot.OUT));
    Handle downOut = view(pieces[first + 4], RANK, (long) heads * size);
    return call("add", out, lowRank(mixed, downOut, pieces[first + 5], config.hiddenSize()));
  }

  private Handle lowRank(Handle x, Handle down, Handle up, long width) {
    Handle product = call("matmul", call("linear", x, down), view(up, RANK, width));
    return call("multiply_number", product, number(SCALE));
  }

  private Handle turned(Handle x, int heads, Handle rope) {
    int size = config.headDim();
    Handle pairs = call("complex", view(x, rows, tokens, heads, size / 2, 2));
    return view(call("real", call("multiply", pairs, rope)), rows, tokens, heads, size);
  }

  private Handle mlp(Handle h, int layer) {
    int width = config.intermediateSize();
    Handle both = call("linear", h, weight(layer, Slot.UP));
    Handle gate = call("silu", narrow(both, 1, 0, width));
    Handle inner = call("multiply", gate, narrow(both, 1, width, width));
    return call("linear", inner, weight(layer, Slot.DOWN));
  }

  private Handle weight(int layer, Slot slot) {
    return weights[places.get(slot) + Slot.PER_LAYER * layer];
  }

  private Handle narrow(Handle x, int dimension, int at, int size) {
    return call("narrow", x, whole(dimension), whole(at), whole(size));
  }

  private Handle transpose(Handle x, int one, int other) {
    return call("transpose", x, whole(one), whole(other));
  }

  private Handle repeated(Handle x, int times) {
    return call("repeat", x, whole(times), whole(2));
  }

  private Handle view(Handle x, long... shape) {
    return call("view", x, made(Handle.ofList(shape)));
  }

  private Handle whole(int value) {
    return made(Handle.of((long) value));
  }

  private Handle number(double value) {
    return made(Handle.of(value));
  }

  private Handle call(String operation, Handle... arguments) {
    return made(operations.train(operation, arguments));
  }

  private Handle made(Handle handle) {
    made.add(handle);
    return handle;
  }

  @Override
  public void close() {
    kept.forEach(Handle::close);
    operations.close();
  }
}
