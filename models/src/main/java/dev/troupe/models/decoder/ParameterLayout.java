package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Slot;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.AdapterConfig;
import dev.troupe.models.peft.LinearModule;
import dev.troupe.models.peft.LoraOptions;
import dev.troupe.models.peft.LoraPair;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.Set;

/**
 * Where each trained parameter of a role lies in its one flat buffer. LoRA: per layer, for the
 * groups (q k v), (o), (gate up), (down), the A matrices of the adapted ones stacked, then each
 * one's B transposed, (rank, out); with DoRA, behind all of them, the magnitudes; then the biases
 * that are trained as well. Full: the kernels' weights in order. At the end the value head,
 * (hidden), where there is one.
 */
public final class ParameterLayout {
  private static final List<AdaptedLinear> LINEARS = List.of(AdaptedLinear.values());

  private static final List<List<AdaptedLinear>> GROUPS =
      List.of(
          List.of(AdaptedLinear.Q_PROJ, AdaptedLinear.K_PROJ, AdaptedLinear.V_PROJ),
          List.of(AdaptedLinear.O_PROJ),
          List.of(AdaptedLinear.GATE_PROJ, AdaptedLinear.UP_PROJ),
          List.of(AdaptedLinear.DOWN_PROJ));

  /**
   * A LoRA pair's place: A at {@code a}, (rank, in); B transposed at {@code b}, (rank, out); DoRA's
   * magnitudes at {@code magnitude}, (out), -1 without.
   */
  private record Place(LoraPair pair, int a, int b, int magnitude) {
    int sizeOfA() {
      return pair.rank() * pair.module().inputs();
    }

    int sizeOfB() {
      return pair.rank() * pair.module().outputs();
    }

    Place withMagnitude(int at) {
      return new Place(pair, a, b, at);
    }
  }

  /**
   * A trained bias's place.
   *
   * @param name as the adapter has it
   * @param module whose bias it is, where that is a linear layer
   * @param slot in the kernels' list of weights
   * @param row where it begins in that weight
   * @param size numbers
   * @param at where it begins in the buffer
   */
  private record BiasPlace(
      String name, Optional<LinearModule> module, int slot, int row, int size, int at) {}

  private final ModelConfig config;
  private final Optional<LoraOptions> options;
  private final boolean full;
  private final boolean valueHead;
  private final long[] sizes;
  private final List<Place> places;
  private final List<BiasPlace> biases;

  /** Index of the first bias in {@link #sizes}. */
  private final int biasPiece;

  private final int size;

  private ParameterLayout(
      ModelConfig config, Optional<LoraOptions> options, boolean full, boolean valueHead) {
    this.config = config;
    this.options = options;
    this.full = full;
    this.valueHead = valueHead;
    List<Long> pieces = new ArrayList<>();
    List<Place> placed = new ArrayList<>();
    if (full) {
      for (StoredWeight weight : config.weights()) {
        if (FusedWeights.isOwn(weight)) {
          pieces.add(weight.elements());
        }
      }
    }
    List<LoraPair> pairs = options.map(lora -> lora.pairs(config)).orElse(List.of());
    if (!pairs.isEmpty()) {
      int at = 0;
      for (int layer = 0; layer < config.layers(); layer++) {
        for (List<AdaptedLinear> group : GROUPS) {
          at = place(byPlace(pairs, layer), group, at, pieces, placed);
        }
      }
      if (options.orElseThrow().dora()) {
        placed = placeMagnitudes(placed, at, pieces);
      }
    }
    places = List.copyOf(placed);
    biasPiece = pieces.size();
    biases =
        options
            .map(lora -> placeBiases(lora, pieces.stream().mapToLong(Long::longValue).sum()))
            .orElse(List.of());
    biases.forEach(bias -> pieces.add((long) bias.size()));
    long total = pieces.stream().mapToLong(Long::longValue).sum();
    if (valueHead || pieces.isEmpty()) {
      pieces.add(valueHead ? (long) config.hiddenSize() : 0L);
      total += valueHead ? config.hiddenSize() : 0;
    }
    sizes = pieces.stream().mapToLong(Long::longValue).toArray();
    size = Math.toIntExact(total);
  }

  private static Map<AdaptedLinear, LoraPair> byPlace(List<LoraPair> pairs, int layer) {
    Map<AdaptedLinear, LoraPair> found = new EnumMap<>(AdaptedLinear.class);
    for (LoraPair pair : pairs) {
      if (pair.module().layer() == layer) {
        found.put(pair.module().place(), pair);
      }
    }
    return found;
  }

  private static int place(
      Map<AdaptedLinear, LoraPair> pairs,
      List<AdaptedLinear> group,
      int start,
      List<Long> pieces,
      List<Place> placed) {
    List<LoraPair> adapted =
        group.stream()
            .map(pairs::get)
            .filter(Objects::nonNull)
            .map(Objects::requireNonNull)
            .toList();
    int a = start;
    int at = start;
    for (LoraPair pair : adapted) {
      at += pair.rank() * pair.module().inputs();
    }
    pieces.add((long) at - start);
    for (AdaptedLinear linear : group) {
      LoraPair pair = pairs.get(linear);
      int count = 0;
      if (pair != null) {
        Place place = new Place(pair, a, at, -1);
        placed.add(place);
        a += place.sizeOfA();
        count = place.sizeOfB();
      }
      pieces.add((long) count);
      at += count;
    }
    return at;
  }

  /** Behind all pairs, seven per layer; empty where a linear layer is not adapted. */
  private List<Place> placeMagnitudes(List<Place> placed, int start, List<Long> pieces) {
    Place[] out = placed.toArray(Place[]::new);
    int at = start;
    int next = 0;
    for (int layer = 0; layer < config.layers(); layer++) {
      for (AdaptedLinear linear : LINEARS) {
        int count = 0;
        if (next < out.length
            && out[next].pair().module().layer() == layer
            && out[next].pair().module().place() == linear) {
          out[next] = out[next].withMagnitude(at);
          count = out[next].pair().module().outputs();
          next++;
        }
        pieces.add((long) count);
        at += count;
      }
    }
    return List.of(out);
  }

  /** Behind all else of the adapter, in the order of the kernels' list. */
  private List<BiasPlace> placeBiases(LoraOptions lora, long start) {
    Map<String, String> named = new HashMap<>();
    new AdapterConfig(lora, false, "")
        .biases(config)
        .forEach((name, stored) -> named.put(stored, name));
    Map<String, LinearModule> modules = new HashMap<>();
    LinearModule.of(config).forEach(module -> modules.put(module.nameOfBias(), module));
    List<BiasPlace> placed = new ArrayList<>();
    int at = Math.toIntExact(start);
    List<StoredWeight> weights = config.weights();
    for (int slot = 0; slot < weights.size(); slot++) {
      int row = 0;
      for (StoredWeight.Part part : weights.get(slot).parts()) {
        String name = named.get(part.name());
        if (name != null) {
          placed.add(
              new BiasPlace(
                  name, Optional.ofNullable(modules.get(part.name())), slot, row, part.rows(), at));
          at += part.rows();
        }
        row += part.rows();
      }
    }
    return placed;
  }

  /** A LoRA adapter on the same linear layers of every layer. */
  public static ParameterLayout lora(
      ModelConfig config, int rank, double alpha, Set<AdaptedLinear> targets, boolean valueHead) {
    return lora(config, LoraOptions.plain(rank, alpha, targets), valueHead);
  }

  /**
   * A LoRA adapter.
   *
   * @throws IllegalArgumentException when a choice cannot be honoured on this model
   */
  public static ParameterLayout lora(ModelConfig config, LoraOptions options, boolean valueHead) {
    return new ParameterLayout(config, Optional.of(options), false, valueHead);
  }

  /** Every weight. */
  public static ParameterLayout full(ModelConfig config, boolean valueHead) {
    return new ParameterLayout(config, Optional.empty(), true, valueHead);
  }

  /** No weight; at most a value head. */
  public static ParameterLayout bare(ModelConfig config, boolean valueHead) {
    return new ParameterLayout(config, Optional.empty(), false, valueHead);
  }

  public ModelConfig config() {
    return config;
  }

  /** Number of parameters. */
  public int size() {
    return size;
  }

  public boolean isFull() {
    return full;
  }

  public boolean isLora() {
    return !places.isEmpty();
  }

  public boolean hasValueHead() {
    return valueHead;
  }

  /** What the adapter adapts and how, where there is one. */
  public Optional<LoraOptions> options() {
    return options;
  }

  /** The adapted linear layers, in network order. */
  public List<LoraPair> pairs() {
    return places.stream().map(Place::pair).toList();
  }

  /** The numbers that the kernels need to know, by attribute name, in float32. */
  public Map<String, Object> kernelAttributes() {
    return kernelAttributes(Precision.FP32);
  }

  /**
   * Layers whose activations exist at once where the backward pass computes them again: with as
   * many segments as layers in one, both together are fewest (Chen et al., arXiv:1604.06174).
   */
  public static int segmentLayers(ModelConfig config) {
    return (int) Math.ceil(Math.sqrt(config.layers()));
  }

  /** The same, with matrices multiplied in a precision. */
  public Map<String, Object> kernelAttributes(Precision precision) {
    Map<String, Object> attributes = new LinkedHashMap<>(KernelChoices.of(config));
    attributes.put("bf16", precision == Precision.BF16);
    attributes.put("segment", (long) segmentLayers(config));
    boolean even =
        places.stream().mapToDouble(place -> place.pair().scale()).distinct().count() < 2;
    double first = places.isEmpty() ? 0.0 : places.get(0).pair().scale();
    // Of each pair; one number in the product where it is the same for all.
    attributes.put("even", even);
    attributes.put("scale", even ? first : 1.0);
    attributes.put("scales", scales());
    attributes.put("widths", widths());
    attributes.put("group_piece", new long[] {0, 4, 6, 9});
    attributes.put("group_linear", new long[] {0, 3, 4, 6});
    attributes.put("group_size", new long[] {3, 1, 2, 1});
    attributes.put("dora", isLora() && options.map(LoraOptions::dora).orElse(false));
    double dropout = isLora() ? options.map(LoraOptions::dropout).orElse(0.0) : 0.0;
    attributes.put("drop_below", (long) (dropout * (1L << 53)));
    attributes.put("keep_scale", 1 / (1 - dropout));
    attributes.put("bias_piece", (long) biasPiece);
    attributes.put("bias_slots", biases.stream().mapToLong(BiasPlace::slot).toArray());
    attributes.put("bias_rows", biases.stream().mapToLong(BiasPlace::row).toArray());
    attributes.put("lora", isLora());
    attributes.put("full", full);
    attributes.put("head_at", full && !config.tiedEmbeddings() ? sizes[0] + sizes[1] : 0L);
    attributes.put("sizes", sizes.clone());
    return attributes;
  }

  /** Of each linear layer's pair, layer by layer; 0 where it has none. */
  private double[] scales() {
    double[] scales = new double[config.layers() * LINEARS.size()];
    for (Place place : places) {
      LinearModule module = place.pair().module();
      scales[module.layer() * LINEARS.size() + LINEARS.indexOf(module.place())] =
          place.pair().scale();
    }
    return scales;
  }

  /** Outputs of a layer's linear layers; 0 where the family has none in that place. */
  private long[] widths() {
    long[] widths = new long[LINEARS.size()];
    for (LinearModule module : LinearModule.of(config)) {
      widths[LINEARS.indexOf(module.place())] = module.outputs();
    }
    return widths;
  }

  /**
   * Values to start training from: A uniform in ±1/sqrt(in) (PEFT's kaiming_uniform with a = sqrt
   * 5) or normal with deviation 1/rank, B zero, value head normal with deviation 1/sqrt(hidden + 1)
   * (Stiennon et al. 2020). Not for {@link #isFull}; what starts as the base has it is {@link
   * #takeFromBase}'s.
   */
  public float[] initial(long seed) {
    Random random = new Random(seed);
    float[] flat = new float[size];
    for (Place place : places) {
      double bound = 1 / Math.sqrt(place.pair().module().inputs());
      boolean normal = options.orElseThrow().initial() == LoraOptions.Initial.GAUSSIAN;
      for (int i = 0; i < place.sizeOfA(); i++) {
        flat[place.a() + i] =
            (float)
                (normal
                    ? random.nextGaussian() / place.pair().rank()
                    : bound * (2 * random.nextDouble() - 1));
      }
    }
    if (valueHead) {
      double deviation = 1 / Math.sqrt(config.hiddenSize() + 1.0);
      for (int i = size - config.hiddenSize(); i < size; i++) {
        flat[i] = (float) (deviation * random.nextGaussian());
      }
    }
    return flat;
  }

  /**
   * Sets DoRA's magnitudes, where there are any, to the lengths of the base's rows, and trained
   * biases to the base's.
   */
  public void takeFromBase(float[] flat, BaseModel base) {
    for (BiasPlace bias : biases) {
      float[] values = base.floats(bias.slot());
      System.arraycopy(values, bias.row(), flat, bias.at(), bias.size());
    }
    List<StoredWeight> weights = config.weights();
    for (int i = 0; i < weights.size(); i++) {
      StoredWeight weight = weights.get(i);
      List<Place> of =
          places.stream().filter(place -> place.magnitude() >= 0 && isOf(place, weight)).toList();
      if (!of.isEmpty()) {
        float[] values = base.floats(i);
        of.forEach(place -> setMagnitude(flat, place, values));
      }
    }
  }

  private static boolean isOf(Place place, StoredWeight weight) {
    String name = place.pair().module().name() + ".weight";
    return weight.parts().stream().anyMatch(part -> part.name().equals(name));
  }

  private static void setMagnitude(float[] flat, Place place, float[] weight) {
    LinearModule module = place.pair().module();
    for (int row = 0; row < module.outputs(); row++) {
      double squares = 0;
      int at = (module.firstRow() + row) * module.inputs();
      for (int i = 0; i < module.inputs(); i++) {
        squares += (double) weight[at + i] * weight[at + i];
      }
      flat[place.magnitude() + row] = (float) Math.sqrt(squares);
    }
  }

  /** The value head of a buffer, (hidden). */
  public float[] valueHead(float[] flat) {
    return Arrays.copyOfRange(flat, size - config.hiddenSize(), size);
  }

  /** Puts a value head into a buffer. */
  public void setValueHead(float[] flat, float[] head) {
    System.arraycopy(head, 0, flat, size - config.hiddenSize(), config.hiddenSize());
  }

  /**
   * The trained parameters as a PEFT adapter, rows in checkpoint order, the value head as its
   * score.
   */
  public Adapter toAdapter(float[] flat, String baseModel) {
    Map<String, TensorData> tensors = loraTensors(flat);
    if (valueHead) {
      tensors.put(AdapterConfig.HEAD, TensorData.of(valueHead(flat), 1, config.hiddenSize()));
    }
    LoraOptions lora = options.orElseGet(() -> LoraOptions.plain(1, 1, Set.of()));
    boolean transposed = pairs().stream().anyMatch(pair -> pair.module().transposed());
    return new Adapter(
        new AdapterConfig(lora, valueHead, List.of(), transposed, baseModel), tensors);
  }

  /**
   * Writes an adapter of this layout's targets and rank into a buffer; its head too, if both have
   * one.
   */
  public void take(float[] flat, Adapter adapter) {
    setLoraTensors(flat, adapter.tensors());
    if (valueHead && adapter.config().head()) {
      setValueHead(flat, floats(adapter.tensors(), AdapterConfig.HEAD));
    }
  }

  private Map<String, TensorData> loraTensors(float[] flat) {
    Map<String, TensorData> out = new LinkedHashMap<>();
    for (Place place : places) {
      LinearModule module = place.pair().module();
      int rank = place.pair().rank();
      int outputs = module.outputs();
      out.put(
          module.nameOfA(),
          TensorData.of(
              Arrays.copyOfRange(flat, place.a(), place.a() + place.sizeOfA()),
              rank,
              module.inputs()));
      float[] b = transpose(flat, place.b(), rank, outputs);
      out.put(
          module.nameOfB(),
          TensorData.of(FusedWeights.reorder(b, order(module), false), outputs, rank));
      if (place.magnitude() >= 0) {
        float[] magnitude =
            Arrays.copyOfRange(flat, place.magnitude(), place.magnitude() + outputs);
        out.put(
            module.nameOfMagnitude(),
            TensorData.of(FusedWeights.reorder(magnitude, order(module), false), outputs));
      }
    }
    for (BiasPlace bias : biases) {
      float[] values = Arrays.copyOfRange(flat, bias.at(), bias.at() + bias.size());
      out.put(
          bias.name(),
          TensorData.of(FusedWeights.reorder(values, order(bias), false), bias.size()));
    }
    return out;
  }

  private void setLoraTensors(float[] flat, Map<String, TensorData> tensors) {
    for (Place place : places) {
      LinearModule module = place.pair().module();
      float[] a = floats(tensors, module.nameOfA());
      float[] b = floats(tensors, module.nameOfB());
      float[] rows = FusedWeights.reorder(b, order(module), true);
      System.arraycopy(a, 0, flat, place.a(), a.length);
      float[] transposed = transpose(rows, 0, module.outputs(), place.pair().rank());
      System.arraycopy(transposed, 0, flat, place.b(), transposed.length);
      if (place.magnitude() >= 0) {
        float[] magnitude =
            FusedWeights.reorder(floats(tensors, module.nameOfMagnitude()), order(module), true);
        System.arraycopy(magnitude, 0, flat, place.magnitude(), magnitude.length);
      }
    }
    for (BiasPlace bias : biases) {
      float[] values = FusedWeights.reorder(floats(tensors, bias.name()), order(bias), true);
      System.arraycopy(values, 0, flat, bias.at(), values.length);
    }
  }

  private int[] order(BiasPlace bias) {
    return bias.module().map(this::order).orElseGet(() -> new int[0]);
  }

  /** The checkpoint's tensors in a buffer of {@link #isFull}. */
  public Map<String, TensorData> checkpointTensors(float[] flat) {
    List<float[]> weights = new ArrayList<>();
    int at = 0;
    for (StoredWeight weight : config.weights()) {
      int count = FusedWeights.isOwn(weight) ? Math.toIntExact(weight.elements()) : 0;
      weights.add(Arrays.copyOfRange(flat, at, at + count));
      at += count;
    }
    return FusedWeights.split(config, weights);
  }

  /**
   * A buffer of {@link #isFull} that holds the base's weights; the value head, if any, as in {@link
   * #initial}.
   */
  public float[] copyOf(BaseModel base, long seed) {
    float[] flat = initial(seed);
    int at = 0;
    List<StoredWeight> weights = config.weights();
    for (int i = 0; i < weights.size(); i++) {
      if (FusedWeights.isOwn(weights.get(i))) {
        float[] values = base.floats(i);
        System.arraycopy(values, 0, flat, at, values.length);
        at += values.length;
      }
    }
    return flat;
  }

  /** The order of a linear layer's outputs in the kernels, as in {@link FusedWeights#order}. */
  private int[] order(LinearModule module) {
    boolean attention = GROUPS.get(0).contains(module.place());
    int[] all = attention ? FusedWeights.order(config, Slot.QKV) : new int[0];
    int first = module.firstRow();
    return all.length == 0
        ? all
        : Arrays.stream(all, first, first + module.outputs()).map(row -> row - first).toArray();
  }

  private static float[] floats(Map<String, TensorData> tensors, String name) {
    TensorData tensor = tensors.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException("the adapter has no tensor '" + name + "'");
    }
    FloatBuffer values = tensor.values().duplicate();
    float[] out = new float[values.remaining()];
    values.get(out);
    return out;
  }

  private static float[] transpose(float[] values, int at, int rows, int columns) {
    float[] out = new float[rows * columns];
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        out[column * rows + row] = values[at + row * columns + column];
      }
    }
    return out;
  }
}
