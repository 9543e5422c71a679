package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Slot;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.checkpoint.TensorData;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The model's own tensors that are trained as they are, in place of the base's, in the order of the
 * kernels' list. Those that are neighbours there are one piece.
 */
final class WholePieces implements Pieces {
  /** The matrices of a layer that sampling packs, in the kernels' order. */
  private static final List<Slot> MATRICES = List.of(Slot.QKV, Slot.OUT, Slot.UP, Slot.DOWN);

  /**
   * A tensor's place.
   *
   * @param name as the adapter has it
   * @param slot in the kernels' list of weights
   * @param row where it begins in that weight
   * @param at where it begins in the buffer
   */
  private record Place(
      String name, StoredWeight weight, StoredWeight.Part part, int slot, int row, int at) {
    int size() {
      return Math.multiplyExact(part.rows(), Math.max(1, weight.columns()));
    }
  }

  /** Rows of one weight, one behind the other in the buffer too. */
  private record Run(int slot, int row, int rows, int at, long size) {}

  private final ModelConfig config;
  private final int firstPiece;
  private final List<Place> places = new ArrayList<>();
  private final List<Run> runs = new ArrayList<>();

  /**
   * @param whole names in the adapter, with those in the checkpoint
   * @param firstPiece how many pieces lie before
   * @param start how many numbers lie before
   */
  WholePieces(ModelConfig config, Map<String, String> whole, int firstPiece, long start) {
    this.config = config;
    this.firstPiece = firstPiece;
    Map<String, String> named = new HashMap<>();
    whole.forEach((name, stored) -> named.put(stored, name));
    long at = start;
    List<StoredWeight> weights = whole.isEmpty() ? List.of() : config.weights();
    for (int slot = 0; slot < weights.size(); slot++) {
      StoredWeight weight = weights.get(slot);
      int row = 0;
      for (StoredWeight.Part part : weight.parts()) {
        String name = named.get(part.name());
        if (name != null) {
          Place place = new Place(name, weight, part, slot, row, Math.toIntExact(at));
          places.add(place);
          extend(place);
          at += place.size();
        }
        row += part.rows();
      }
    }
  }

  private void extend(Place place) {
    Run last = runs.isEmpty() ? null : runs.get(runs.size() - 1);
    int rows = place.part().rows();
    if (last != null && last.slot() == place.slot() && last.row() + last.rows() == place.row()) {
      runs.set(
          runs.size() - 1,
          new Run(
              last.slot(), last.row(), last.rows() + rows, last.at(), last.size() + place.size()));
    } else {
      runs.add(new Run(place.slot(), place.row(), rows, place.at(), place.size()));
    }
  }

  /** Where gains and biases lie: each a start and a size. */
  List<long[]> vectors() {
    return places.stream()
        .filter(place -> place.weight().columns() == 0)
        .map(place -> new long[] {place.at(), place.size()})
        .toList();
  }

  @Override
  public List<Long> sizes() {
    return runs.stream().map(Run::size).toList();
  }

  @Override
  public Map<String, Object> attributes() {
    Map<String, Object> attributes = new LinkedHashMap<>();
    attributes.put("whole_piece", (long) firstPiece);
    attributes.put("whole_slots", runs.stream().mapToLong(Run::slot).toArray());
    attributes.put("whole_rows", runs.stream().mapToLong(Run::row).toArray());
    attributes.put("whole_matrices", matrices());
    return attributes;
  }

  /** Of each matrix that sampling packs, layer by layer, last the head: whether it is changed. */
  private long[] matrices() {
    long[] found = new long[MATRICES.size() * config.layers() + 1];
    for (Place place : places) {
      int matrix = MATRICES.indexOf(place.weight().slot());
      if (matrix >= 0) {
        found[MATRICES.size() * place.weight().layer() + matrix] = 1;
      }
    }
    found[found.length - 1] = head().isPresent() ? 1 : 0;
    return found;
  }

  /** Where the output matrix begins in the buffer, where it is trained. */
  OptionalInt head() {
    Slot head = config.tiedEmbeddings() ? Slot.EMBED : Slot.HEAD;
    return places.stream()
        .filter(place -> place.weight().slot() == head)
        .mapToInt(Place::at)
        .findFirst();
  }

  @Override
  public void initialise(float[] flat, Random random) {
    // All of it is the base's.
  }

  @Override
  public void takeFromBase(float[] flat, BaseModel base) {
    for (Place place : places) {
      int columns = Math.max(1, place.weight().columns());
      float[] values = base.floats(place.slot());
      System.arraycopy(values, place.row() * columns, flat, place.at(), place.size());
    }
  }

  @Override
  public void put(float[] flat, Map<String, TensorData> tensors) {
    for (Place place : places) {
      StoredWeight weight = place.weight();
      float[] values =
          order(place)
              .toCheckpoint(Arrays.copyOfRange(flat, place.at(), place.at() + place.size()));
      tensors.put(
          place.name(),
          TensorData.of(
              weight.transposed()
                  ? StoredWeight.transpose(values, place.part().rows(), weight.columns())
                  : values,
              weight.shapeOf(place.part()).toArray()));
    }
  }

  @Override
  public void take(float[] flat, Map<String, TensorData> tensors) {
    for (Place place : places) {
      StoredWeight weight = place.weight();
      float[] values = RowOrder.floats(tensors, place.name());
      float[] rows =
          order(place)
              .toKernels(
                  weight.transposed()
                      ? StoredWeight.transpose(values, weight.columns(), place.part().rows())
                      : values);
      System.arraycopy(rows, 0, flat, place.at(), rows.length);
    }
  }

  private RowOrder order(Place place) {
    return RowOrder.of(config, place.weight().slot(), place.row(), place.part().rows());
  }

  @Override
  public boolean changes(StoredWeight weight) {
    Set<StoredWeight> changed = places.stream().map(Place::weight).collect(Collectors.toSet());
    return changed.contains(weight)
        || (weight.slot() == Slot.HEAD && config.tiedEmbeddings() && head().isPresent());
  }
}
