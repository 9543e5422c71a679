package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.AdapterConfig;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/**
 * Where each trained parameter of a role lies in its one flat buffer. LoRA: per layer, for the
 * groups (q k v), (o), (gate up), (down), the A matrices of the adapted ones stacked, then each
 * one's B transposed, (rank, out). Full: the kernels' weights in order. At the end the value head,
 * (hidden), where there is one.
 */
public final class ParameterLayout {
  /** How many linear layers the kernels expect in each group; what a family lacks is empty. */
  private static final List<Integer> GROUP_SIZES = List.of(3, 1, 2, 1);

  /** A LoRA pair's place: A at {@code a}, (rank, in); B transposed at {@code b}, (rank, out). */
  private record Place(int layer, AdaptedLinear linear, int a, int b) {}

  private final ModelConfig config;
  private final int rank;
  private final double alpha;
  private final boolean full;
  private final boolean valueHead;
  private final long[] sizes;
  private final List<Place> places;
  private final int size;

  private ParameterLayout(
      ModelConfig config,
      int rank,
      double alpha,
      Set<AdaptedLinear> targets,
      boolean full,
      boolean valueHead) {
    this.config = config;
    this.rank = rank;
    this.alpha = alpha;
    this.full = full;
    this.valueHead = valueHead;
    List<Long> pieces = new ArrayList<>();
    places = new ArrayList<>();
    int at = 0;
    if (full) {
      for (StoredWeight weight : config.weights()) {
        if (FusedWeights.isOwn(weight)) {
          pieces.add(weight.elements());
        }
      }
    } else if (rank > 0) {
      for (int layer = 0; layer < config.layers(); layer++) {
        List<List<AdaptedLinear>> groups = AdaptedLinear.groups(config);
        for (int group = 0; group < groups.size(); group++) {
          at = place(layer, groups.get(group), targets, at, pieces);
          for (int i = groups.get(group).size(); i < GROUP_SIZES.get(group); i++) {
            pieces.add(0L);
          }
        }
      }
    }
    long total = pieces.stream().mapToLong(Long::longValue).sum();
    if (valueHead || pieces.isEmpty()) {
      pieces.add(valueHead ? (long) config.hiddenSize() : 0L);
      total += valueHead ? config.hiddenSize() : 0;
    }
    sizes = pieces.stream().mapToLong(Long::longValue).toArray();
    size = Math.toIntExact(total);
  }

  private int place(
      int layer,
      List<AdaptedLinear> group,
      Set<AdaptedLinear> targets,
      int start,
      List<Long> pieces) {
    List<AdaptedLinear> adapted = group.stream().filter(targets::contains).toList();
    int inputs = group.get(0).inputs(config);
    int a = start;
    int at = start + adapted.size() * rank * inputs;
    pieces.add((long) at - start);
    for (AdaptedLinear linear : group) {
      boolean has = adapted.contains(linear);
      int count = has ? rank * linear.outputs(config) : 0;
      pieces.add((long) count);
      if (has) {
        places.add(new Place(layer, linear, a, at));
        a += rank * inputs;
      }
      at += count;
    }
    return at;
  }

  /** A LoRA adapter on the same linear layers of every layer. */
  public static ParameterLayout lora(
      ModelConfig config, int rank, double alpha, Set<AdaptedLinear> targets, boolean valueHead) {
    return new ParameterLayout(config, rank, alpha, targets, false, valueHead);
  }

  /** Every weight. */
  public static ParameterLayout full(ModelConfig config, boolean valueHead) {
    return new ParameterLayout(config, 0, 0, Set.of(), true, valueHead);
  }

  /** No weight; at most a value head. */
  public static ParameterLayout bare(ModelConfig config, boolean valueHead) {
    return new ParameterLayout(config, 0, 0, Set.of(), false, valueHead);
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

  public int rank() {
    return rank;
  }

  public double alpha() {
    return alpha;
  }

  /** The adapted linear layers, in network order. */
  public Set<AdaptedLinear> targets() {
    EnumSet<AdaptedLinear> found = EnumSet.noneOf(AdaptedLinear.class);
    places.forEach(place -> found.add(place.linear()));
    return found;
  }

  /** The numbers that the kernels need to know, by attribute name. */
  public Map<String, Object> kernelAttributes() {
    Map<String, Object> attributes = new LinkedHashMap<>(KernelChoices.of(config));
    attributes.put("scale", rank == 0 ? 0.0 : alpha / rank);
    attributes.put("lora", isLora());
    attributes.put("outs", outs());
    attributes.put("full", full);
    attributes.put("head_at", full && !config.tiedEmbeddings() ? sizes[0] + sizes[1] : 0L);
    attributes.put("sizes", sizes.clone());
    return attributes;
  }

  /** Width of each B of a layer; 0 where the family has no such layer. */
  private long[] outs() {
    List<Long> outs = new ArrayList<>();
    List<List<AdaptedLinear>> groups = AdaptedLinear.groups(config);
    for (int group = 0; group < groups.size(); group++) {
      for (int i = 0; i < GROUP_SIZES.get(group); i++) {
        List<AdaptedLinear> those = groups.get(group);
        outs.add(i < those.size() ? (long) those.get(i).outputs(config) : 0L);
      }
    }
    return outs.stream().mapToLong(Long::longValue).toArray();
  }

  /**
   * Values to start training from: A uniform in ±1/sqrt(in) (PEFT's kaiming_uniform with a = sqrt
   * 5), B zero, value head normal with deviation 1/sqrt(hidden + 1) (Stiennon et al. 2020). Not for
   * {@link #isFull}.
   */
  public float[] initial(long seed) {
    Random random = new Random(seed);
    float[] flat = new float[size];
    for (Place place : places) {
      int inputs = place.linear().inputs(config);
      double bound = 1 / Math.sqrt(inputs);
      for (int i = 0; i < rank * inputs; i++) {
        flat[place.a() + i] = (float) (bound * (2 * random.nextDouble() - 1));
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
    return new Adapter(
        new AdapterConfig(
            Math.max(rank, 1), rank == 0 ? 1 : alpha, targets(), valueHead, baseModel),
        tensors);
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
      AdaptedLinear linear = place.linear();
      int inputs = linear.inputs(config);
      int outputs = linear.outputs(config);
      out.put(
          place.linear().nameOfA(config, place.layer()),
          TensorData.of(
              Arrays.copyOfRange(flat, place.a(), place.a() + rank * inputs), rank, inputs));
      float[] b = transpose(flat, place.b(), rank, outputs);
      out.put(
          place.linear().nameOfB(config, place.layer()),
          TensorData.of(FusedWeights.reorder(b, order(linear), false), outputs, rank));
    }
    return out;
  }

  private void setLoraTensors(float[] flat, Map<String, TensorData> tensors) {
    for (Place place : places) {
      AdaptedLinear linear = place.linear();
      int outputs = linear.outputs(config);
      float[] a = floats(tensors, place.linear().nameOfA(config, place.layer()));
      float[] b = floats(tensors, place.linear().nameOfB(config, place.layer()));
      float[] rows = FusedWeights.reorder(b, order(linear), true);
      System.arraycopy(a, 0, flat, place.a(), a.length);
      float[] transposed = transpose(rows, 0, outputs, rank);
      System.arraycopy(transposed, 0, flat, place.b(), transposed.length);
    }
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
        float[] values = base.tensors().get(i).floats();
        System.arraycopy(values, 0, flat, at, values.length);
        at += values.length;
      }
    }
    return flat;
  }

  /** The order of a linear layer's outputs in the kernels, as in {@link FusedWeights#order}. */
  private int[] order(AdaptedLinear linear) {
    AdaptedLinear.Rows rows = linear.rows(config);
    int[] all = FusedWeights.order(config, rows.slot());
    return all.length == 0
        ? all
        : Arrays.stream(all, rows.first(), rows.first() + rows.count())
            .map(row -> row - rows.first())
            .toArray();
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
