package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Slot;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.peft.LinearModule;
import dev.troupe.models.peft.ModuleMethod;
import dev.troupe.models.peft.ModuleTensor;
import dev.troupe.models.peft.SharedTensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Parameters that each belong to one linear layer: of each layer of the decoder, of each of its
 * seven places, as many pieces, empty where the place is not adapted.
 */
final class ModulePieces implements Pieces {
  private static final List<AdaptedLinear> LINEARS = List.of(AdaptedLinear.values());

  /** Places of one group of the kernels each. */
  private static final List<Integer> GROUP_OF_PLACE = List.of(0, 0, 0, 1, 2, 2, 3);

  private record Place(LinearModule module, ModuleTensor tensor, int at) {
    int size() {
      return Math.toIntExact(tensor.shape().elements());
    }

    String name() {
      return module.name() + tensor.suffix();
    }
  }

  private final ModelConfig config;
  private final List<Long> sizes = new ArrayList<>();
  private final List<Place> places = new ArrayList<>();
  private final List<LinearModule> modules;
  private final List<SharedTensor> shared;
  private final int sharedAt;
  private final Map<String, Object> attributes = new LinkedHashMap<>();

  /**
   * @param firstPiece how many pieces lie before
   * @param start how many numbers lie before
   */
  ModulePieces(ModelConfig config, ModuleMethod method, int firstPiece, long start) {
    this.config = config;
    modules = method.modules(config);
    int perModule = modules.isEmpty() ? 0 : method.tensors(modules.get(0)).size();
    long[] groups = new long[4 * config.layers()];
    double[] settings = new double[LINEARS.size() * config.layers()];
    long[] rows = new long[settings.length];
    int at = Math.toIntExact(start);
    int next = 0;
    for (int place = 0; place < settings.length; place++) {
      boolean adapted = next < modules.size() && place(modules.get(next)) == place;
      if (!adapted) {
        for (int i = 0; i < perModule; i++) {
          sizes.add(0L);
        }
        continue;
      }
      LinearModule module = modules.get(next);
      next++;
      settings[place] = method.setting(module);
      groups[4 * module.layer() + GROUP_OF_PLACE.get(place % LINEARS.size())] = 1;
      List<ModuleTensor> tensors = method.tensors(module);
      rows[place] = tensors.get(0).shape().toArray()[0];
      for (ModuleTensor tensor : tensors) {
        Place own = new Place(module, tensor, at);
        if (tensor.isThere()) {
          places.add(own);
        }
        sizes.add((long) own.size());
        at += own.size();
      }
    }
    shared = method.shared(config);
    sharedAt = at;
    attributes.put("shared_piece", firstPiece + (long) sizes.size());
    shared.forEach(tensor -> sizes.add(tensor.shape().elements()));
    attributes.put("module_piece", (long) firstPiece);
    attributes.put("per_module", (long) perModule);
    attributes.put("module_groups", groups);
    attributes.put("module_rows", rows);
    attributes.put("setting", settings);
    attributes.put("row_order", rowOrder());
    attributes.putAll(MethodKernels.of(method).attributes());
  }

  private static int place(LinearModule module) {
    return module.layer() * LINEARS.size() + LINEARS.indexOf(module.place());
  }

  /** Of the rows of q, k and v, each in its own: where the checkpoint has what the kernels have. */
  private long[] rowOrder() {
    int[] order = FusedWeights.order(config, Slot.QKV);
    long[] found = new long[order.length];
    int row = 0;
    for (LinearModule module : LinearModule.of(config)) {
      if (module.layer() == 0 && GROUP_OF_PLACE.get(LINEARS.indexOf(module.place())) == 0) {
        for (int i = 0; order.length > 0 && i < module.outputs(); i++) {
          found[row + i] = (long) order[row + i] - row;
        }
        row += module.outputs();
      }
    }
    return found;
  }

  private interface EachShared {
    void of(SharedTensor tensor, int at, int size);
  }

  private void forEachShared(EachShared each) {
    int at = sharedAt;
    for (SharedTensor tensor : shared) {
      int size = Math.toIntExact(tensor.shape().elements());
      each.of(tensor, at, size);
      at += size;
    }
  }

  /** What all layers have in common and none trains: each a start and a size. */
  List<long[]> frozen() {
    List<long[]> spans = new ArrayList<>();
    forEachShared((tensor, at, size) -> spans.add(new long[] {at, size}));
    return spans;
  }

  @Override
  public List<Long> sizes() {
    return List.copyOf(sizes);
  }

  @Override
  public Map<String, Object> attributes() {
    return attributes;
  }

  @Override
  public void initialise(float[] flat, Random random) {
    for (Place place : places) {
      for (int i = 0; i < place.size(); i++) {
        flat[place.at() + i] = (float) place.tensor().start().applyAsDouble(random);
      }
    }
    forEachShared((tensor, at, size) -> System.arraycopy(tensor.values().get(), 0, flat, at, size));
  }

  @Override
  public void takeFromBase(float[] flat, BaseModel base) {
    // None of it is the base's.
  }

  @Override
  public void put(float[] flat, Map<String, TensorData> tensors) {
    for (Place place : places) {
      float[] values = Arrays.copyOfRange(flat, place.at(), place.at() + place.size());
      tensors.put(
          place.name(),
          TensorData.of(
              place.tensor().byOutput()
                  ? RowOrder.of(config, place.module()).toCheckpoint(values)
                  : values,
              place.tensor().shape().toArray()));
    }
    forEachShared(
        (tensor, at, size) ->
            tensors.put(
                tensor.name(),
                TensorData.of(Arrays.copyOfRange(flat, at, at + size), tensor.shape().toArray())));
  }

  @Override
  public void take(float[] flat, Map<String, TensorData> tensors) {
    for (Place place : places) {
      float[] values = RowOrder.floats(tensors, place.name());
      float[] own =
          place.tensor().byOutput()
              ? RowOrder.of(config, place.module()).toKernels(values)
              : values;
      System.arraycopy(own, 0, flat, place.at(), own.length);
    }
    forEachShared(
        (tensor, at, size) ->
            System.arraycopy(
                tensors.containsKey(tensor.name())
                    ? RowOrder.floats(tensors, tensor.name())
                    : tensor.values().get(),
                0,
                flat,
                at,
                size));
  }

  @Override
  public boolean changes(StoredWeight weight) {
    return modules.stream()
        .anyMatch(
            module ->
                weight.parts().stream()
                    .anyMatch(part -> part.name().equals(module.name() + ".weight")));
  }
}
