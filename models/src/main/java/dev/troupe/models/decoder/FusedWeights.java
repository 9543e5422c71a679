package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.Decoder;
import dev.troupe.models.checkpoint.Decoder.Positions;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.NumberSink;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.Slot;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.checkpoint.StoredWeight.Part;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.checkpoint.Turns;
import dev.troupe.models.quantisation.StoredBlocks;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * How a checkpoint's tensors become the kernels' weights and back: q, k, v in one matrix, gate and
 * up in another, and the rows of q and k reordered so that the two numbers that RoPE turns together
 * are neighbours (row i of the first half of what turns in a head goes to 2i, of its second half to
 * 2i + 1).
 */
final class FusedWeights {
  /**
   * One weight of the kernels' list.
   *
   * @param source hands its numbers on, row by row
   */
  record Weight(Consumer<NumberSink> source, long... shape) {
    static Weight of(float[] values, long... shape) {
      return new Weight(sink -> sink.put(values, values.length), shape);
    }
  }

  /** Where tensors come from. */
  interface Source {
    /** Hands the numbers of one on. */
    void pieces(String name, NumberSink sink);

    /** One in blocks, rows of what multiplies, where it is there so. */
    default Optional<StoredBlocks> blocks(String name) {
      return Optional.empty();
    }

    /** A checkpoint's. */
    static Source of(Checkpoint checkpoint) {
      return new Source() {
        @Override
        public void pieces(String name, NumberSink sink) {
          checkpoint.pieces(name, sink);
        }

        @Override
        public Optional<StoredBlocks> blocks(String name) {
          return checkpoint.blocks(name);
        }
      };
    }
  }

  private FusedWeights() {}

  /** Whether the kernels' list has another's tensor, or none, in this place. */
  static boolean isOwn(StoredWeight weight) {
    return !weight.parts().isEmpty();
  }

  /**
   * One of the kernels' list, from Hugging Face names: what is stored as the kernels have it, the
   * embedding above all, never is in the heap as a whole.
   */
  static Weight weight(ModelConfig config, StoredWeight stored, Source tensors) {
    return switch (stored.slot()) {
      case ROPE -> rope(config, config.turns(false));
      case LOCAL_ROPE -> rope(config, config.turns(true));
      default -> fused(config, stored, tensors);
    };
  }

  private static Weight fused(ModelConfig config, StoredWeight stored, Source tensors) {
    int[] order = order(config, stored.slot());
    if (stored.parts().size() == 1 && !stored.transposed() && order.length == 0) {
      String name = stored.parts().get(0).name();
      return new Weight(sink -> tensors.pieces(name, sink), stored.shape());
    }
    float[][] parts =
        stored.parts().stream()
            .map(
                part -> {
                  float[] values =
                      new float[Math.multiplyExact(part.rows(), Math.max(1, stored.columns()))];
                  read(stored, part, tensors, values);
                  return values;
                })
            .toArray(float[][]::new);
    float[] values = parts.length == 1 ? parts[0] : concat(parts);
    return Weight.of(reorder(values, order, true), stored.shape());
  }

  /** One tensor of a weight, row by row, into the beginning of an array. */
  static void read(StoredWeight stored, Part part, Source tensors, float[] values) {
    FloatBuffer room = FloatBuffer.wrap(values);
    tensors.pieces(part.name(), (numbers, count) -> room.put(numbers, 0, count));
    if (stored.transposed()) {
      float[] own = StoredWeight.transpose(values, stored.columns(), part.rows());
      System.arraycopy(own, 0, values, 0, own.length);
    }
  }

  /**
   * Back to Hugging Face names and shapes; {@code weights} is the kernels' list, what is not stored
   * left out of account.
   */
  static Map<String, TensorData> split(ModelConfig config, List<float[]> weights) {
    Map<String, float[]> found = new HashMap<>();
    List<StoredWeight> all = config.weights();
    for (int i = 0; i < all.size(); i++) {
      StoredWeight stored = all.get(i);
      if (isOwn(stored)) {
        float[] values = reorder(weights.get(i), order(config, stored.slot()), false);
        int columns = Math.max(1, stored.columns());
        int at = 0;
        for (Part part : stored.parts()) {
          int size = part.rows() * columns;
          float[] rows = size == values.length ? values : Arrays.copyOfRange(values, at, at + size);
          found.put(
              part.name(),
              stored.transposed() ? StoredWeight.transpose(rows, part.rows(), columns) : rows);
          at += size;
        }
      }
    }
    Map<String, TensorData> out = new LinkedHashMap<>();
    for (Map.Entry<String, Shape> entry : config.tensors().entrySet()) {
      float[] values = Objects.requireNonNull(found.get(entry.getKey()), entry.getKey());
      out.put(entry.getKey(), new TensorData(entry.getValue(), FloatBuffer.wrap(values)));
    }
    return out;
  }

  /**
   * For each row of the kernels' weight, the row of the stored parts, one after the other, that it
   * is; empty where they are the same.
   */
  static int[] order(ModelConfig config, Slot slot) {
    return switch (slot) {
      case QKV, QKV_BIAS -> qkvOrder(config);
      case Q_NORM, K_NORM -> pairs(config);
      default -> new int[0];
    };
  }

  private static int[] qkvOrder(ModelConfig config) {
    int[] pairs = pairs(config);
    boolean byHead = config.decoder().attention().packing() == Decoder.Packing.BY_HEAD;
    if (pairs.length == 0 && !byHead) {
      return pairs;
    }
    int dim = config.headDim();
    int turning = config.heads() + config.kvHeads();
    int[] order = new int[(turning + config.kvHeads()) * dim];
    for (int row = 0; row < order.length; row++) {
      int head = row / dim;
      int i = head < turning && pairs.length > 0 ? pairs[row % dim] : row % dim;
      int stored = byHead ? head % config.heads() * 3 + head / config.heads() : head;
      order[row] = stored * dim + i;
    }
    return order;
  }

  /** For each number of a head that turns, where the checkpoint has it; empty without rotation. */
  private static int[] pairs(ModelConfig config) {
    if (!(config.decoder().positions() instanceof Positions.Rotary rotary)) {
      return new int[0];
    }
    int dims = rotary.dims();
    int[] order = new int[config.headDim()];
    for (int i = 0; i < order.length; i++) {
      order[i] = i >= dims ? i : i / 2 + i % 2 * (dims / 2);
    }
    return order;
  }

  /** Row i of the result is row order[i]; or, back, row order[i] of the result is row i. */
  static float[] reorder(float[] rows, int[] order, boolean forth) {
    if (order.length == 0) {
      return rows;
    }
    int columns = rows.length / order.length;
    float[] out = new float[rows.length];
    for (int i = 0; i < order.length; i++) {
      int from = forth ? order[i] : i;
      int to = forth ? i : order[i];
      System.arraycopy(rows, from * columns, out, to * columns, columns);
    }
    return out;
  }

  /** Of all positions; behind them, where longer texts turn otherwise, of all positions again. */
  private static Weight rope(ModelConfig config, Optional<Turns> found) {
    if (found.isEmpty()) {
      return Weight.of(new float[0], 0);
    }
    Turns turns = found.get();
    int positions = config.maxPositionEmbeddings();
    int tables = turns.original(positions) > 0 ? 2 : 1;
    int pairs = config.headDim() / 2;
    float[] table = new float[tables * positions * pairs * 2];
    for (int i = 0; i < tables; i++) {
      fill(table, i * positions * pairs * 2, positions, turns, i > 0);
    }
    return Weight.of(table, (long) tables * positions, 1, pairs, 2);
  }

  private static void fill(float[] table, int from, int positions, Turns turns, boolean beyond) {
    double[] frequencies = turns.frequencies(beyond);
    float amplitude = (float) turns.scaling().amplitude();
    for (int position = 0; position < positions; position++) {
      for (int i = 0; i < frequencies.length; i++) {
        // As transformers does: the frequency is a float, the angle a float product.
        float angle = position * (float) frequencies[i];
        int at = from + (position * frequencies.length + i) * 2;
        // What does not turn is not stretched either.
        float factor = frequencies[i] == 0 ? 1 : amplitude;
        table[at] = (float) Math.cos(angle) * factor;
        table[at + 1] = (float) Math.sin(angle) * factor;
      }
    }
  }

  private static float[] concat(float[]... parts) {
    int size = 0;
    for (float[] part : parts) {
      size = Math.addExact(size, part.length);
    }
    float[] out = new float[size];
    int at = 0;
    for (float[] part : parts) {
      System.arraycopy(part, 0, out, at, part.length);
      at += part.length;
    }
    return out;
  }
}
