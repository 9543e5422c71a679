package dev.troupe.engine;

import dev.troupe.engine.generation.EngineMode;
import dev.troupe.engine.generation.FlipReport;
import dev.troupe.engine.generation.GenerationException;
import dev.troupe.engine.generation.Generator;
import dev.troupe.engine.generation.Operators;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.CheckpointWriter;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.ValueHeadFile;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.models.tokenizer.TokenizerFiles;
import dev.troupe.models.torch.Lanes;
import dev.troupe.models.torch.Torch;
import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.StepSettings;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.recording.Work;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SortedMap;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One role on a shared base: trains, evaluates and samples, and keeps account of memory and time.
 */
public final class HybridEngine implements RoleEngine {
  private final RoleSpec spec;
  private final Path model;
  private final BaseModel base;
  private final Runnable releaseBase;
  private final ParameterLayout layout;
  private final Trainer trainer;
  private final Map<String, Double> seconds = new LinkedHashMap<>();
  private final Lanes lanes;
  private @Nullable Generator generator;
  private @Nullable Tokenizer tokenizer;
  private @Nullable String modelFingerprint;
  private long version;

  /** Whether the weights go on from those of an engine that could sample from them. */
  private boolean goesOn;

  HybridEngine(RoleSpec spec, Path model, BaseModel base, Runnable releaseBase, Lanes lanes) {
    this.spec = spec;
    this.model = model;
    this.base = base;
    this.releaseBase = releaseBase;
    this.lanes = lanes;
    Optional<Path> directory = adapterDirectory(spec, model);
    Optional<Adapter> adapter = adapter(spec, directory, base.config());
    if (!(spec.tuning() instanceof Tuning.Frozen)) {
      adapter.ifPresent(
          found -> AdapterChoices.requireOwnMatrices(found, base, model, directory.orElseThrow()));
    }
    layout = layout(spec, base.config(), adapter, directory, model);
    checkHeld(spec, layout);
    float[] initial =
        layout.isFull() ? layout.copyOf(base, spec.seed()) : layout.initial(spec.seed());
    layout.takeFromBase(initial, base);
    adapter.ifPresent(found -> layout.take(initial, found));
    boolean headFound = adapter.map(found -> found.config().head()).orElse(false);
    if (layout.hasValueHead() && !headFound) {
      Optional<float[]> head = ValueHeadFile.read(model, base.config().hiddenSize());
      head.ifPresent(values -> layout.setValueHead(initial, values));
      headFound = head.isPresent();
    }
    requireHead(spec, headFound, directory.orElse(model));
    checkExact(spec, base.config(), layout);
    Storage precision = spec.numerics().precision();
    trainer =
        new Trainer(
            base,
            layout,
            initial,
            precision,
            lanes.run(() -> Operators.products(spec.numerics().kernels(), precision)),
            spec.tuning() instanceof Tuning.Frozen ? Optional.empty() : spec.optimizer(),
            spec.emaDecay(),
            spec.tuning() instanceof Tuning.Lora lora ? lora.rateRatioOfB() : 1,
            spec.temperature(),
            spec.seed(),
            lanes,
            spec.shard(),
            isExact(spec) ? Optional.of(this::exactLogprobs) : Optional.empty());
  }

  /** Whether it is scored by the operators that sample. */
  private static boolean isExact(RoleSpec spec) {
    return spec.numerics().exact() && spec.head() == Head.LANGUAGE_MODEL;
  }

  private float[] exactLogprobs(TokenBatch batch) {
    return generator()
        .logprobs(version, batch.ids(), batch.reads(), batch.targets(), spec.temperature());
  }

  /** All that opening a role checks but its weights. */
  static void check(RoleSpec spec, Path model, ModelConfig config) {
    Optional<Path> directory = adapterDirectory(spec, model);
    Optional<Adapter> adapter = adapter(spec, directory, config);
    ParameterLayout layout = layout(spec, config, adapter, directory, model);
    checkHeld(spec, layout);
    checkExact(spec, config, layout);
    boolean headFound =
        adapter.map(found -> found.config().head()).orElse(false)
            || ValueHeadFile.read(model, config.hiddenSize()).isPresent();
    requireHead(spec, headFound, directory.orElse(model));
  }

  /** Checks that the base can be held as it is to be, and what is trained stand beside it. */
  private static void checkHeld(RoleSpec spec, ParameterLayout layout) {
    try {
      BaseModel.check(layout.config(), spec.numerics().quantisation());
      spec.numerics().quantisation().ifPresent(layout::requireBeside);
      if (spec.head() == Head.LANGUAGE_MODEL) {
        Generator.checkBeside(layout, spec.numerics().rollouts());
      }
    } catch (IllegalArgumentException | GenerationException e) {
      throw new EngineException(
          "the " + spec.name() + " cannot be as configured: " + e.getMessage(), e);
    }
  }

  private static void checkExact(RoleSpec spec, ModelConfig config, ParameterLayout layout) {
    if (isExact(spec)) {
      Generator.checkExact(config, layout);
    }
  }

  private static Optional<Path> adapterDirectory(RoleSpec spec, Path model) {
    return spec.adapter().map(Path::of).filter(path -> !path.equals(model));
  }

  private static Optional<Adapter> adapter(
      RoleSpec spec, Optional<Path> directory, ModelConfig config) {
    Optional<Adapter> adapter = directory.map(path -> Adapter.read(path, config));
    if (spec.head() == Head.LANGUAGE_MODEL
        && adapter.map(found -> found.config().head()).orElse(false)) {
      throw new EngineException(
          "the "
              + spec.name()
              + " is to write text, but the adapter "
              + directory.orElseThrow()
              + " is a reward model's or a critic's: it holds a score");
    }
    return adapter;
  }

  private static void requireHead(RoleSpec spec, boolean found, Path directory) {
    if (spec.head() == Head.VALUE && !found && spec.tuning() instanceof Tuning.Frozen) {
      throw new EngineException(
          "the "
              + spec.name()
              + " is to give values and is not trained, but "
              + directory
              + " holds no value head; give the directory that reward model training has written");
    }
  }

  private static ParameterLayout layout(
      RoleSpec spec,
      ModelConfig config,
      Optional<Adapter> adapter,
      Optional<Path> directory,
      Path model) {
    boolean head = spec.head() == Head.VALUE;
    if (spec.tuning() instanceof Tuning.Full) {
      if (adapter.isPresent()) {
        throw new EngineException(
            "the "
                + spec.name()
                + " is to train every weight, but "
                + directory.orElseThrow()
                + " is an adapter; let tuning.type be its own, or give a merged model");
      }
      return ParameterLayout.full(config, head);
    }
    Optional<AdapterChoices.Choice> asked =
        AdapterChoices.choice(spec.tuning(), config)
            .map(choice -> AdapterChoices.withStart(choice, config, model, spec));
    if (asked.isPresent()) {
      adapter.ifPresent(
          found -> sameShape(spec, asked.get(), found, config, directory.orElseThrow()));
      return ParameterLayout.adapter(config, asked.get().method(), asked.get().saved(), head);
    }
    return adapter
        .map(
            found ->
                found.needsOwnHead(config)
                    ? ParameterLayout.besideOwnHead(config, found.config(), head)
                    : ParameterLayout.adapter(config, found.config(), head))
        .orElseGet(() -> ParameterLayout.bare(config, head));
  }

  private static void sameShape(
      RoleSpec spec,
      AdapterChoices.Choice asked,
      Adapter found,
      ModelConfig model,
      Path directory) {
    AdapterChoices.Choice other = AdapterChoices.Choice.of(found.config());
    if (!asked.isAs(other, model)) {
      throw new EngineException(
          "the "
              + spec.name()
              + " is to go on from the adapter "
              + directory
              + ", which has "
              + other.describe()
              + "; the configuration asks for "
              + asked.describe());
    }
  }

  @Override
  public RoleSpec spec() {
    return spec;
  }

  @Override
  public long adapterVersion() {
    return version;
  }

  @Override
  public List<Rollout> generate(List<Prompt> prompts, int answers, SamplingSettings settings) {
    makeReady();
    List<Rollout> sampled =
        timed("generate", () -> generator().generate(version, prompts, answers, settings));
    return spec.numerics().scoresAgain(samplesByRow())
        ? Rollout.scoredAgain(sampled, answers, all -> evaluate(all, Set.of(Output.LOGPROBS)))
        : sampled;
  }

  /** To sample, or to be scored as it samples, by the weights as they are. */
  private void makeReady() {
    boolean ready =
        generator != null
            && generator.mode() instanceof EngineMode.Generating generating
            && generating.version() == version;
    if (!ready) {
      timed("flip", this::flip);
    }
  }

  /** Before training: what sampling needs of memory is freed, unless the objective is to use it. */
  private void prepare(Objective<?> objective) {
    if (isExact(spec) && objective.comparesWithSampling()) {
      makeReady();
    } else {
      returnToTraining();
    }
  }

  private void prepare(Set<Output> outputs) {
    if (isExact(spec) && outputs.contains(Output.LOGPROBS)) {
      makeReady();
    }
  }

  @Override
  public boolean samplesByRow() {
    return generator().samplesByRow();
  }

  @Override
  public Rollout stream(Prompt prompt, SamplingSettings settings, Consumer<String> listener) {
    if (!(generator().mode() instanceof EngineMode.Generating)) {
      timed("flip", this::flip);
    }
    return timed("generate", () -> generator().stream(version, prompt, settings, listener));
  }

  private FlipReport flip() {
    returnToTraining();
    if (goesOn) {
      generator().goesOn();
    }
    return generator().flip(trainer.parameters(), version);
  }

  /** What samples; made when first asked for, as most roles never are. */
  private Generator generator() {
    if (generator == null) {
      tokenizer = Tokenizer.load(model);
      tokenizer.checkFits(base.config().vocabSize());
      generator =
          new Generator(
              base,
              tokenizer,
              layout,
              lanes,
              Generator.Options.of(spec.numerics().rollouts(), spec.numerics().precision())
                  .by(spec.numerics().kernels())
                  .caching(spec.numerics().cache())
                  .exactly(spec.numerics().exact()));
    }
    return generator;
  }

  /** Before the parameters change. */
  private void returnToTraining() {
    if (generator != null && generator.mode() instanceof EngineMode.Generating) {
      generator.release();
    }
  }

  @Override
  public List<TokenOutputs> evaluate(List<Sequence> sequences, Set<Output> outputs) {
    prepare(outputs);
    return timed("score", () -> trainer.evaluate(sequences, outputs));
  }

  @Override
  public <E extends Example> Accumulated accumulate(
      Objective<E> objective, List<E> examples, BatchTotals totals) {
    prepare(objective);
    return timed("train", () -> trainer.accumulate(objective, examples, totals));
  }

  @Override
  public <E extends Example> Accumulated accumulate(
      Objective<E> objective,
      List<E> examples,
      BatchTotals totals,
      Share share,
      Together together) {
    prepare(objective);
    Together recorded = own -> Work.record(spec.name(), "exchange", () -> together.whole(own));
    return timed("train", () -> trainer.accumulate(objective, examples, totals, share, recorded));
  }

  @Override
  public SortedMap<Integer, TokenOutputs> evaluate(
      List<Sequence> sequences, Set<Output> outputs, Share share) {
    prepare(outputs);
    return timed("score", () -> trainer.evaluate(sequences, outputs, share));
  }

  @Override
  public String modelFingerprint() {
    String known = modelFingerprint;
    if (known == null) {
      known = Fingerprints.ofModel(model);
      modelFingerprint = known;
    }
    return known;
  }

  @Override
  public String parametersFingerprint() {
    return Fingerprints.of(trainer.parameters().floats());
  }

  @Override
  public StepResult step(Optional<StepSettings> settings) {
    requireWhole("step");
    return stepped(() -> trainer.step(settings));
  }

  @Override
  public StepResult step(Optional<StepSettings> settings, Gathering others) {
    Gathering recorded =
        (own, counts) -> Work.record(spec.name(), "exchange", () -> others.all(own, counts));
    return stepped(() -> trainer.step(settings, recorded));
  }

  private StepResult stepped(Supplier<StepResult> step) {
    return timed(
        "train",
        () -> {
          returnToTraining();
          StepResult result = step.get();
          version += result.applied() ? 1 : 0;
          return new StepResult(
              result.gradientNorm(), result.learningRate(), result.applied(), version);
        });
  }

  private void requireWhole(String what) {
    if (spec.shard().of() > 1) {
      throw new IllegalStateException(
          "the " + spec.name() + " holds a shard of its state, and was to " + what + " by itself");
    }
  }

  /** Before something that an unfinished step would be lost by. */
  private void requireNothingAccumulated(String what) {
    if (!trainer.accumulation().isEmpty()) {
      throw new IllegalStateException(
          "the "
              + spec.name()
              + " has accumulated a gradient and not stepped along it, and is to "
              + what
              + ": step first");
    }
  }

  @Override
  public Floats parameters() {
    return new Floats(trainer.parameters().floats());
  }

  @Override
  public void take(List<Floats> parameters, long taken) {
    long given = parameters.stream().mapToLong(Floats::size).sum();
    if (given != layout.size()) {
      throw new EngineException(
          "the "
              + spec.name()
              + " has "
              + layout.size()
              + " parameters and was given "
              + given
              + ". Is the model in "
              + model
              + " the same on every node?");
    }
    requireNothingAccumulated("take other weights");
    returnToTraining();
    trainer.parameters().write(parameters.stream().map(Floats::values).toArray(float[][]::new));
    version = taken;
    goesOn |= taken > 0;
  }

  @Override
  public void save(Path directory) {
    Optional<float[]> average = trainer.adam().flatMap(AdamState::average);
    if (average.isPresent()) {
      requireWhole("save a moving average");
    }
    save(directory, average);
  }

  @Override
  public void save(Optional<Path> directory, Gathering others) {
    Optional<float[]> average =
        trainer
            .adam()
            .flatMap(AdamState::average)
            .map(own -> others.all(new Floats(own), trainer.shards().numbersByRank()).values());
    directory.ifPresent(place -> save(place, average));
  }

  private void save(Path directory, Optional<float[]> average) {
    write(directory, trainer.parameters().floats());
    average.ifPresent(values -> write(directory.resolve("ema"), values));
  }

  private void write(Path directory, float[] flat) {
    if (!layout.isFull()) {
      layout.toAdapter(flat, model.toString()).write(directory);
      return;
    }
    CheckpointWriter.write(
        directory,
        base.config(),
        layout.checkpointTensors(flat),
        DType.F32,
        CheckpointWriter.DEFAULT_SHARD_BYTES);
    TokenizerFiles.copy(model, directory);
    if (layout.hasValueHead()) {
      ValueHeadFile.write(directory, layout.valueHead(flat));
    }
  }

  @Override
  public void checkpoint(Path directory) {
    requireNothingAccumulated("write a checkpoint");
    EngineState.write(
        directory,
        trainer.shards(),
        trainer.rank(),
        trainer.parameters().floats(),
        trainer.adam().map(AdamState::saved),
        version);
    trainer.allocation().ifPresent(ranks -> ranks.save(directory));
  }

  @Override
  public void restore(Path directory) {
    EngineState state =
        EngineState.read(
            directory, spec.name(), trainer.shards(), trainer.rank(), trainer.adam().isPresent());
    boolean averaged = state.adam().flatMap(AdamState.Saved::average).isPresent();
    Optional<RankAllocation.Saved> ranks =
        trainer.allocation().map(found -> RankAllocation.Saved.read(directory, layout.size()));
    if (spec.emaDecay().isPresent() && trainer.adam().isPresent() && !averaged) {
      throw new CheckpointException(
          directory
              + " holds no moving average of the "
              + spec.name()
              + "'s parameters, which ema-decay asks for: it was made with another configuration.");
    }
    returnToTraining();
    trainer.accumulation().close();
    trainer.parameters().write(state.parameters());
    trainer.adam().ifPresent(adam -> state.adam().ifPresent(adam::restore));
    trainer.allocation().ifPresent(found -> ranks.ifPresent(found::restore));
    version = state.version();
    goesOn |= version > 0;
  }

  @Override
  public String kernels() {
    return spec.head() == Head.LANGUAGE_MODEL
        ? HybridEngines.operators(spec.numerics(), lanes).describe()
        : "";
  }

  @Override
  public Map<String, Long> memoryBytes() {
    Map<String, Long> bytes = new LinkedHashMap<>();
    bytes.put("base", base.bytes());
    bytes.put("adapter", (long) Float.BYTES * layout.size());
    bytes.put(
        "optimizer",
        trainer.adam().map(AdamState::bytes).orElse(0L)
            + trainer.allocation().map(RankAllocation::bytes).orElse(0L)
            + trainer.accumulation().bytes());
    bytes.putAll(
        generator == null ? Map.of("shadow", 0L, "kv-cache", 0L) : generator.memoryBytes());
    return bytes;
  }

  /** Each micro-batch, each token of a batch and each matrix of a flip is a kernel, or several. */
  @Override
  public OptionalLong progress() {
    return OptionalLong.of(Torch.kernels());
  }

  @Override
  public Map<String, Double> phaseSeconds() {
    return Map.copyOf(seconds);
  }

  Trainer trainer() {
    return trainer;
  }

  private <T> T timed(String phase, Supplier<T> work) {
    long start = System.nanoTime();
    try {
      return Work.record(spec.name(), phase, work);
    } finally {
      seconds.merge(phase, (System.nanoTime() - start) / 1e9, Double::sum);
    }
  }

  @Override
  public void close() {
    if (generator != null) {
      generator.close();
    }
    if (tokenizer != null) {
      tokenizer.close();
    }
    trainer.close();
    releaseBase.run();
  }
}
