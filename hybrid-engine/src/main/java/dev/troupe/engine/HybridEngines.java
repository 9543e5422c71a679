package dev.troupe.engine;

import dev.troupe.engine.generation.Operators;
import dev.troupe.engine.generation.Packing;
import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.SequenceClassifier;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.torch.Device;
import dev.troupe.models.torch.Lanes;
import dev.troupe.models.torch.Torch;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.Tuning;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Opens engines on this JVM's lanes. Roles of one model directory share one frozen base, freed when
 * the last of them closes.
 */
public final class HybridEngines implements RoleEngine.Factory {
  /** A loaded base and how many roles stand on it. */
  private static final class Loaded {
    final BaseModel base;
    int users;

    Loaded(BaseModel base) {
      this.base = base;
    }
  }

  /** What roles must have in common to share a base. */
  private record Key(Path model, Storage precision, Optional<Quantisation> quantisation) {}

  private final Map<Key, Loaded> bases = new HashMap<>();
  private final Lanes lanes;

  public HybridEngines() {
    this(Lanes.shared());
  }

  /**
   * Engines on a device, the only one that this JVM will use.
   *
   * @param device as {@link Device#of} takes it
   * @throws dev.troupe.models.torch.DeviceException when it is not there
   */
  public static HybridEngines on(String device) {
    Torch.use(Device.of(device));
    return new HybridEngines();
  }

  public HybridEngines(Lanes lanes) {
    this.lanes = lanes;
  }

  /**
   * Bytes of one number of a cached key or value while sampling; what is left to the operators that
   * a node chooses counts as the larger.
   */
  public static int cacheBytes(Numerics numerics) {
    return switch (numerics.cache()) {
      case FP32 -> Float.BYTES;
      case BF16 -> 2;
      case AUTO ->
          numerics.kernels() == Numerics.Kernels.NATIVE
                  && Packing.of(numerics.rollouts()).suitsHalfCache()
              ? 2
              : Float.BYTES;
    };
  }

  /**
   * How many numbers a role trains, its value head not counted.
   *
   * @throws EngineException when the model cannot be tuned so
   */
  public static long trainedParameters(Tuning tuning, ModelConfig model) {
    return layout(tuning, model).map(ParameterLayout::trained).orElse(0L);
  }

  /**
   * How many numbers a role has of its own, those that stay as they start included: of so many
   * there are moments and gradients. Its value head is not counted.
   *
   * @throws EngineException when the model cannot be tuned so
   */
  public static long ownParameters(Tuning tuning, ModelConfig model) {
    return layout(tuning, model).map(ParameterLayout::size).orElse(0);
  }

  private static Optional<ParameterLayout> layout(Tuning tuning, ModelConfig model) {
    if (tuning instanceof Tuning.Full) {
      return Optional.of(ParameterLayout.full(model, false));
    }
    return AdapterChoices.choice(tuning, model)
        .map(choice -> ParameterLayout.adapter(model, choice.method(), choice.saved(), false));
  }

  /** Numbers that a lane makes of a base in blocks at once, at most: one weight's. */
  public static long numbersOutOfBlocks(ModelConfig model, Numerics numerics) {
    return numerics.quantisation().isEmpty() ? 0 : BaseModel.largestHeld(model);
  }

  /** Tokens of a micro-batch where nothing else is asked for. */
  public static int microBatchTokens(ModelConfig model, Numerics numerics) {
    return MicroBatches.tokens(model, numerics.precision());
  }

  /** About so many gradients a step has at once, of so many micro-batches on so many lanes. */
  public static int gradients(int microBatches, int lanes) {
    return Trainer.gradients(microBatches, lanes);
  }

  /**
   * Whether a role could be opened, by configurations and the headers of files alone.
   *
   * @throws RuntimeException as {@link #open} would throw
   */
  public static void check(RoleSpec spec) {
    Path model = modelOf(spec);
    try (Checkpoint checkpoint =
        spec.head() == Head.LANGUAGE_MODEL
            ? Checkpoint.open(model)
            : Checkpoint.openForValues(model)) {
      HybridEngine.check(spec, model, checkpoint.config());
    }
  }

  /**
   * Checks that a role can go on from what an earlier one trained of the same model.
   *
   * @throws EngineException when it cannot
   */
  public static void checkGoesOn(Tuning earlier, Tuning now, ModelConfig model) {
    Optional<AdapterChoices.Choice> before = AdapterChoices.choice(earlier, model);
    if (before.isEmpty()) {
      return;
    }
    if (now instanceof Tuning.Full) {
      throw new EngineException(
          "is to train every weight, and goes on from an adapter that an earlier stage trains;"
              + " set the same type in both");
    }
    Optional<AdapterChoices.Choice> after = AdapterChoices.choice(now, model);
    if (after.isPresent() && !after.get().isAs(before.get(), model)) {
      throw new EngineException(
          "goes on from the adapter of an earlier stage, which has "
              + before.get().describe()
              + "; it asks for "
              + after.get().describe()
              + ": set the same in both");
    }
  }

  /**
   * Whose operators decode in these numbers, in this JVM.
   *
   * @throws dev.troupe.engine.generation.GenerationException when those that are asked for cannot
   *     be used
   */
  public static Operators operators(Numerics numerics) {
    return operators(numerics, Lanes.shared());
  }

  static Operators operators(Numerics numerics, Lanes lanes) {
    Storage format = numerics.rollouts();
    return lanes.run(
        () ->
            Operators.choose(numerics.kernels(), format)
                .caching(numerics.cache(), format)
                .exactly(numerics.exact(), format));
  }

  /**
   * @throws dev.troupe.engine.generation.GenerationException when the role could sample, but not by
   *     the operators that are asked for
   */
  @Override
  public synchronized RoleEngine open(RoleSpec spec) {
    // Before a model is loaded, and long before the first flip.
    if (spec.head() == Head.LANGUAGE_MODEL
        && (spec.numerics().kernels() == Numerics.Kernels.NATIVE
            || spec.numerics().cache() == Numerics.Cache.BF16
            || spec.numerics().rollouts().isOfBaseAlone()
            || spec.numerics().exact())) {
      operators(spec.numerics(), lanes);
    }
    Path model = modelOf(spec);
    Optional<Adapter> own = ofItsOwnBase(spec, model);
    if (own.isPresent()) {
      BaseModel base = BaseModel.load(model, held(spec), spec.numerics().quantisation(), own.get());
      try {
        return new HybridEngine(spec, model, base, base::close, lanes);
      } catch (RuntimeException e) {
        base.close();
        throw e;
      }
    }
    Key key =
        new Key(model.toAbsolutePath().normalize(), held(spec), spec.numerics().quantisation());
    boolean writes = spec.head() == Head.LANGUAGE_MODEL;
    if (writes && bases.containsKey(key) && SequenceClassifier.isIn(model)) {
      throw new EngineException(
          "the "
              + spec.name()
              + " is to write text, but "
              + model
              + " is a sequence classifier: it can be a reward model");
    }
    Loaded loaded =
        bases.computeIfAbsent(
            key,
            wanted ->
                new Loaded(
                    writes
                        ? BaseModel.load(wanted.model(), wanted.precision(), wanted.quantisation())
                        : BaseModel.loadForValues(
                            wanted.model(), wanted.precision(), wanted.quantisation())));
    loaded.users++;
    try {
      return new HybridEngine(spec, model, loaded.base, () -> release(key), lanes);
    } catch (RuntimeException e) {
      release(key);
      throw e;
    }
  }

  /**
   * A frozen adapter of the output matrix, which a base shared by roles cannot have. Where it is to
   * be trained further, it is refused.
   */
  private static Optional<Adapter> ofItsOwnBase(RoleSpec spec, Path model) {
    if (!(spec.tuning() instanceof Tuning.Frozen)) {
      return Optional.empty();
    }
    ModelConfig config = ModelConfig.read(model);
    return spec.adapter()
        .map(Path::of)
        .filter(path -> !path.equals(model) && Adapter.isIn(path))
        .map(path -> Adapter.read(path, config))
        .filter(adapter -> adapter.needsOwnHead(config));
  }

  /** Where every weight is trained, the base is what the float32 weights start from. */
  private static Storage held(RoleSpec spec) {
    return spec.tuning() instanceof Tuning.Full ? Storage.FP32 : spec.numerics().precision();
  }

  /** A result of full tuning is a model of its own; an adapter stands on the configured one. */
  private static Path modelOf(RoleSpec spec) {
    return spec.adapter()
        .map(Path::of)
        .filter(path -> Files.exists(path.resolve("config.json")))
        .orElseGet(() -> Path.of(spec.model()));
  }

  private synchronized void release(Key key) {
    Loaded loaded = bases.get(key);
    loaded.users--;
    if (loaded.users == 0) {
      bases.remove(key);
      loaded.base.close();
    }
  }

  @Override
  public void close() {
    // Bases close with their last role.
  }
}
