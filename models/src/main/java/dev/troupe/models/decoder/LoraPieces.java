package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.peft.LinearModule;
import dev.troupe.models.peft.LoraOptions;
import dev.troupe.models.peft.LoraPair;
import dev.troupe.models.peft.LoraStart;
import dev.troupe.models.peft.LowRank;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;

/**
 * LoRA: per layer, for the groups (q k v), (o), (gate up), (down), the A matrices of the adapted
 * ones stacked, then each one's B transposed, (rank, out); with DoRA, behind all of them, the
 * magnitudes. Nothing where no linear layer has a pair.
 *
 * <p>Where a start is taken out of the base, a pair has twice the rank: the first half is trained,
 * the second takes out what the first began as, and stays.
 */
final class LoraPieces implements Pieces {
  private static final List<AdaptedLinear> LINEARS = List.of(AdaptedLinear.values());

  private static final List<List<AdaptedLinear>> GROUPS =
      List.of(
          List.of(AdaptedLinear.Q_PROJ, AdaptedLinear.K_PROJ, AdaptedLinear.V_PROJ),
          List.of(AdaptedLinear.O_PROJ),
          List.of(AdaptedLinear.GATE_PROJ, AdaptedLinear.UP_PROJ),
          List.of(AdaptedLinear.DOWN_PROJ));

  /**
   * A pair's place: A at {@code a}, (rank, in); B transposed at {@code b}, (rank, out); DoRA's
   * magnitudes at {@code magnitude}, (out), -1 without.
   */
  private record Place(LoraPair pair, int a, int b, int magnitude) {
    int sizeOfA() {
      return pair.rank() * pair.module().inputs();
    }

    int sizeOfB() {
      return pair.rank() * pair.module().outputs();
    }

    /** Of the pair that is trained. */
    int trained(LoraStart start) {
      return start.isOfBase() ? pair.rank() / 2 : pair.rank();
    }

    Place withMagnitude(int at) {
      return new Place(pair, a, b, at);
    }
  }

  private final ModelConfig config;
  private final Optional<LoraOptions> options;
  private final List<Long> sizes = new ArrayList<>();
  private final List<Place> places;

  /**
   * @param options empty for no pair
   */
  LoraPieces(ModelConfig config, Optional<LoraOptions> options) {
    this.config = config;
    this.options = options;
    List<Place> placed = new ArrayList<>();
    List<LoraPair> pairs = options.map(lora -> lora.converted().pairs(config)).orElse(List.of());
    if (!pairs.isEmpty()) {
      int at = 0;
      for (int layer = 0; layer < config.layers(); layer++) {
        for (List<AdaptedLinear> group : GROUPS) {
          at = place(byPlace(pairs, layer), group, at, placed);
        }
      }
      if (options.orElseThrow().dora()) {
        placed = placeMagnitudes(placed, at);
      }
    }
    places = List.copyOf(placed);
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

  private int place(
      Map<AdaptedLinear, LoraPair> pairs,
      List<AdaptedLinear> group,
      int start,
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
    sizes.add((long) at - start);
    for (AdaptedLinear linear : group) {
      LoraPair pair = pairs.get(linear);
      int count = 0;
      if (pair != null) {
        Place place = new Place(pair, a, at, -1);
        placed.add(place);
        a += place.sizeOfA();
        count = place.sizeOfB();
      }
      sizes.add((long) count);
      at += count;
    }
    return at;
  }

  /** Behind all pairs, seven per layer; empty where a linear layer is not adapted. */
  private List<Place> placeMagnitudes(List<Place> placed, int start) {
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
        sizes.add((long) count);
        at += count;
      }
    }
    return List.of(out);
  }

  /** The adapted linear layers, in network order. */
  List<LoraPair> pairs() {
    return places.stream().map(Place::pair).toList();
  }

  private LoraStart start() {
    return options.map(LoraOptions::initial).orElse(LoraStart.KAIMING);
  }

  /** What stays as it is, of pairs that start from the base: each a start and a size. */
  List<long[]> frozen() {
    List<long[]> spans = new ArrayList<>();
    for (Place place : places) {
      int trained = place.trained(start());
      int stay = place.pair().rank() - trained;
      if (stay > 0) {
        LinearModule module = place.pair().module();
        spans.add(
            new long[] {
              place.a() + (long) trained * module.inputs(), (long) stay * module.inputs()
            });
        spans.add(
            new long[] {
              place.b() + (long) trained * module.outputs(), (long) stay * module.outputs()
            });
      }
    }
    return spans;
  }

  /** Where B and what else is no matrix lies: each a start and a size. */
  List<long[]> spansOfB() {
    List<long[]> spans = new ArrayList<>();
    for (Place place : places) {
      spans.add(
          new long[] {place.b(), (long) place.trained(start()) * place.pair().module().outputs()});
      if (place.magnitude() >= 0) {
        spans.add(new long[] {place.magnitude(), place.pair().module().outputs()});
      }
    }
    return spans;
  }

  @Override
  public List<Long> sizes() {
    return List.copyOf(sizes);
  }

  @Override
  public Map<String, Object> attributes() {
    Map<String, Object> attributes = new LinkedHashMap<>();
    boolean even =
        places.stream().mapToDouble(place -> place.pair().scale()).distinct().count() < 2;
    double first = places.isEmpty() ? 0.0 : places.get(0).pair().scale();
    // Of each pair; one number in the product where it is the same for all.
    attributes.put("even", even);
    attributes.put("scale", even ? first : 1.0);
    attributes.put("scales", scales());
    attributes.put("dora", !places.isEmpty() && options.map(LoraOptions::dora).orElse(false));
    double dropout = places.isEmpty() ? 0.0 : options.map(LoraOptions::dropout).orElse(0.0);
    attributes.put("drop_below", (long) (dropout * (1L << 53)));
    attributes.put("keep_scale", 1 / (1 - dropout));
    attributes.put("lora", !places.isEmpty());
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

  /** As {@link LoraStart} says; what is of the base comes with {@link #takeFromBase}. */
  @Override
  public void initialise(float[] flat, Random random) {
    for (Place place : places) {
      switch (start().kind()) {
        case KAIMING -> {
          double bound = 1 / Math.sqrt(place.pair().module().inputs());
          for (int i = 0; i < place.sizeOfA(); i++) {
            flat[place.a() + i] = (float) (bound * (2 * random.nextDouble() - 1));
          }
        }
        case GAUSSIAN -> {
          for (int i = 0; i < place.sizeOfA(); i++) {
            flat[place.a() + i] = (float) (random.nextGaussian() / place.pair().rank());
          }
        }
        case ORTHOGONAL -> {
          LowRank.Factors factors = LoraStart.orthogonal(place.pair(), random);
          System.arraycopy(factors.a(), 0, flat, place.a(), place.sizeOfA());
          System.arraycopy(factors.b(), 0, flat, place.b(), place.sizeOfB());
        }
        case PISSA, OLORA -> {
          // The base is not at hand here.
        }
      }
    }
  }

  /** DoRA's magnitudes are the lengths of the base's rows; pairs may start as a part of it. */
  @Override
  public void takeFromBase(float[] flat, BaseModel base) {
    List<StoredWeight> weights = config.weights();
    for (int i = 0; i < weights.size(); i++) {
      StoredWeight weight = weights.get(i);
      List<Place> of =
          places.stream().filter(place -> isOf(place, weight) && isOfBase(place)).toList();
      if (!of.isEmpty()) {
        float[] values = base.floats(i);
        for (Place place : of) {
          if (place.magnitude() >= 0) {
            setMagnitude(flat, place, values);
          }
          if (start().isOfBase()) {
            setPair(flat, place, values);
          }
        }
      }
    }
  }

  private boolean isOfBase(Place place) {
    return place.magnitude() >= 0 || start().isOfBase();
  }

  /** Both halves: what is trained, and what takes that out of the base. */
  private void setPair(float[] flat, Place place, float[] weight) {
    LinearModule module = place.pair().module();
    int rank = place.trained(start());
    float[] rows =
        Arrays.copyOfRange(
            weight,
            module.firstRow() * module.inputs(),
            (module.firstRow() + module.outputs()) * module.inputs());
    LowRank.Factors found =
        start()
            .factors(
                rows,
                module.outputs(),
                module.inputs(),
                new LoraPair(module, rank, place.pair().scale()));
    float[] b = StoredWeight.transpose(found.b(), module.outputs(), rank);
    System.arraycopy(found.a(), 0, flat, place.a(), found.a().length);
    System.arraycopy(found.a(), 0, flat, place.a() + found.a().length, found.a().length);
    System.arraycopy(b, 0, flat, place.b(), b.length);
    for (int i = 0; i < b.length; i++) {
      flat[place.b() + b.length + i] = -b[i];
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

  @Override
  public void put(float[] flat, Map<String, TensorData> tensors) {
    for (Place place : places) {
      LinearModule module = place.pair().module();
      RowOrder order = RowOrder.of(config, module);
      int rank = place.pair().rank();
      int outputs = module.outputs();
      tensors.put(
          module.nameOfA(),
          TensorData.of(
              Arrays.copyOfRange(flat, place.a(), place.a() + place.sizeOfA()),
              rank,
              module.inputs()));
      float[] b = Arrays.copyOfRange(flat, place.b(), place.b() + place.sizeOfB());
      tensors.put(
          module.nameOfB(),
          TensorData.of(
              order.toCheckpoint(StoredWeight.transpose(b, rank, outputs)), outputs, rank));
      if (place.magnitude() >= 0) {
        float[] magnitude =
            Arrays.copyOfRange(flat, place.magnitude(), place.magnitude() + outputs);
        tensors.put(
            module.nameOfMagnitude(), TensorData.of(order.toCheckpoint(magnitude), outputs));
      }
    }
  }

  @Override
  public void take(float[] flat, Map<String, TensorData> tensors) {
    for (Place place : places) {
      LinearModule module = place.pair().module();
      RowOrder order = RowOrder.of(config, module);
      float[] a = RowOrder.floats(tensors, module.nameOfA());
      float[] rows = order.toKernels(RowOrder.floats(tensors, module.nameOfB()));
      System.arraycopy(a, 0, flat, place.a(), a.length);
      // An adapter as PEFT saves it before its conversion has the half that is trained.
      float[] b = StoredWeight.transpose(rows, module.outputs(), rows.length / module.outputs());
      System.arraycopy(b, 0, flat, place.b(), b.length);
      if (place.magnitude() >= 0) {
        float[] magnitude = order.toKernels(RowOrder.floats(tensors, module.nameOfMagnitude()));
        System.arraycopy(magnitude, 0, flat, place.magnitude(), magnitude.length);
      }
    }
  }

  @Override
  public boolean changes(StoredWeight weight) {
    return places.stream().anyMatch(place -> isOf(place, weight));
  }
}
