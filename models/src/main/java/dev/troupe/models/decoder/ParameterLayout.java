package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.peft.AdaLora;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.AdapterConfig;
import dev.troupe.models.peft.HeadPair;
import dev.troupe.models.peft.LinearModule;
import dev.troupe.models.peft.LoraOptions;
import dev.troupe.models.peft.LoraPair;
import dev.troupe.models.peft.ModuleMethod;
import dev.troupe.models.peft.PeftMethod;
import dev.troupe.models.peft.PrefixTuning;
import dev.troupe.models.peft.PromptMethod;
import dev.troupe.models.peft.Vera;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Where each trained parameter of a role lies in its one flat buffer: those of the adapter's
 * method, then the model's own tensors that the adapter brings whole. Full: the kernels' weights in
 * order. At the end the value head, (hidden), where there is one.
 */
public final class ParameterLayout {
  private static final String ELSE = ", or engine.base.storage be auto";

  private static final List<AdaptedLinear> LINEARS = List.of(AdaptedLinear.values());

  private final ModelConfig config;
  private final Optional<AdapterConfig> adapter;
  private final boolean full;
  private final boolean valueHead;
  private final LoraPieces lora;
  private final Optional<ModuleMethod> moduleMethod;
  private final Optional<ModulePieces> modules;
  private final Optional<BesidePieces> beside;
  private final Optional<PromptPieces> prompt;
  private final WholePieces whole;
  private final List<Pieces> parts;
  private final long[] sizes;
  private final int size;

  private ParameterLayout(
      ModelConfig config,
      Optional<AdapterConfig> adapter,
      boolean ownHead,
      boolean full,
      boolean valueHead) {
    this.config = config;
    this.adapter = adapter;
    this.full = full;
    this.valueHead = valueHead;
    List<Long> pieces = new ArrayList<>();
    if (full) {
      for (StoredWeight weight : config.weights()) {
        if (FusedWeights.isOwn(weight)) {
          pieces.add(weight.elements());
        }
      }
    }
    lora = new LoraPieces(config, adapter.flatMap(AdapterConfig::lora));
    pieces.addAll(lora.sizes());
    moduleMethod =
        adapter
            .map(AdapterConfig::method)
            .filter(ModuleMethod.class::isInstance)
            .map(ModuleMethod.class::cast);
    modules =
        moduleMethod.map(
            method -> new ModulePieces(config, method, lora.sizes().size(), sum(lora.sizes())));
    modules.ifPresent(found -> pieces.addAll(found.sizes()));
    beside =
        adapter
            .flatMap(AdapterConfig::lora)
            .filter(options -> BesidePieces.has(config, options, headOf(options, ownHead)))
            .map(
                options ->
                    new BesidePieces(
                        config, options, headOf(options, ownHead), pieces.size(), sum(pieces)));
    beside.ifPresent(found -> pieces.addAll(found.sizes()));
    prompt =
        promptMethod().map(method -> new PromptPieces(config, method, pieces.size(), sum(pieces)));
    prompt.ifPresent(found -> pieces.addAll(found.sizes()));
    whole =
        new WholePieces(
            config,
            adapter.map(found -> found.whole(config)).orElse(Map.of()),
            pieces.size(),
            sum(pieces));
    pieces.addAll(whole.sizes());
    parts =
        Stream.of(
                Stream.of(lora),
                modules.stream(),
                beside.stream(),
                prompt.stream(),
                Stream.of(whole))
            .flatMap(each -> each.map(Pieces.class::cast))
            .toList();
    if (valueHead || pieces.isEmpty()) {
      pieces.add(valueHead ? (long) config.hiddenSize() : 0L);
    }
    sizes = pieces.stream().mapToLong(Long::longValue).toArray();
    size = Math.toIntExact(sum(pieces));
  }

  private Optional<HeadPair> headOf(LoraOptions options, boolean own) {
    Optional<HeadPair> head = own ? Optional.empty() : options.head(config);
    if (head.isPresent() && options.dora()) {
      throw new IllegalArgumentException(
          "DoRA on the output matrix '"
              + head.get().module()
              + "' cannot be trained here; expected targets among "
              + String.join(", ", LoraOptions.targetNames(config))
              + ", or no use_dora");
    }
    return head;
  }

  private static long sum(List<Long> sizes) {
    return sizes.stream().mapToLong(Long::longValue).sum();
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
    return adapter(config, options, List.of(), valueHead);
  }

  /**
   * An adapter.
   *
   * @param saved modules of the model that are trained whole beside it, by the ends of their names
   * @throws IllegalArgumentException when a choice cannot be honoured on this model
   */
  public static ParameterLayout adapter(
      ModelConfig config, PeftMethod method, List<String> saved, boolean valueHead) {
    boolean transposed = method.modules(config).stream().anyMatch(LinearModule::transposed);
    AdapterConfig adapter = new AdapterConfig(method, valueHead, saved, transposed, "");
    adapter.tensors(config);
    return new ParameterLayout(config, Optional.of(adapter), false, false, valueHead);
  }

  /**
   * What a finished adapter has, on a base whose output matrix is already as the adapter makes it.
   */
  public static ParameterLayout besideOwnHead(
      ModelConfig config, AdapterConfig adapter, boolean valueHead) {
    return new ParameterLayout(config, Optional.of(adapter), true, false, valueHead);
  }

  /** What a finished adapter has; its head, if there is to be one here. */
  public static ParameterLayout adapter(
      ModelConfig config, AdapterConfig adapter, boolean valueHead) {
    PeftMethod method = adapter.method();
    return adapter(
        config,
        method instanceof PromptMethod prompt ? prompt.withoutEncoder() : method,
        adapter.saved(),
        valueHead);
  }

  /** Every weight. */
  public static ParameterLayout full(ModelConfig config, boolean valueHead) {
    return new ParameterLayout(config, Optional.empty(), false, true, valueHead);
  }

  /** No weight; at most a value head. */
  public static ParameterLayout bare(ModelConfig config, boolean valueHead) {
    return new ParameterLayout(config, Optional.empty(), false, false, valueHead);
  }

  public ModelConfig config() {
    return config;
  }

  /** Number of parameters. */
  public int size() {
    return size;
  }

  /** How many of them are trained: what is in the buffer and stays is left out, as is the head. */
  public long trained() {
    return size
        - (valueHead ? config.hiddenSize() : 0)
        - frozen().stream().mapToLong(span -> span[1]).sum();
  }

  public boolean isFull() {
    return full;
  }

  /** Whether it is an adapter's, beside a base. */
  public boolean isAdapter() {
    return adapter.isPresent();
  }

  public boolean isLora() {
    return !lora.pairs().isEmpty() || beside.isPresent();
  }

  public boolean hasValueHead() {
    return valueHead;
  }

  /** What LoRA adapts and how, where that is the method. */
  public Optional<LoraOptions> options() {
    return adapter.flatMap(AdapterConfig::lora);
  }

  /** The linear layers that LoRA adapts, in network order. */
  public List<LoraPair> pairs() {
    return lora.pairs();
  }

  /**
   * Where LoRA+ has a rate of its own (Hayou et al., arXiv:2402.12354): LoRA's B, and as in PEFT
   * what is no matrix. Each a start and a size, in order, neighbours joined.
   */
  public List<long[]> spansOfB() {
    List<long[]> joined = new ArrayList<>();
    Stream.of(
            lora.spansOfB().stream(),
            beside.stream().flatMap(found -> found.spansOfB().stream()),
            whole.vectors().stream())
        .flatMap(each -> each)
        .sorted(Comparator.comparingLong(span -> span[0]))
        .forEach(
            span -> {
              long[] last = joined.isEmpty() ? null : joined.get(joined.size() - 1);
              if (last != null && last[0] + last[1] == span[0]) {
                last[1] += span[1];
              } else {
                joined.add(span.clone());
              }
            });
    return joined;
  }

  /**
   * Checks that what is trained can stand beside a base whose layers' matrices are held in blocks:
   * that it leaves these as they are, and only multiplies with them.
   *
   * @throws IllegalArgumentException saying what cannot be
   */
  public void requireBeside(Quantisation held) {
    String base = "a base held in " + held.storage() + " is frozen: ";
    if (full) {
      throw new IllegalArgumentException(
          base + "not every weight can be trained on it. Let tuning.type be lora" + ELSE);
    }
    if (moduleMethod.isPresent() && !MethodKernels.of(moduleMethod.get()).multiplies()) {
      throw new IllegalArgumentException(
          base
              + moduleMethod.get().type()
              + " makes each of its matrices anew in every pass, which then is there whole. Let"
              + " tuning.type be lora, ia3 or oft"
              + ELSE);
    }
    for (StoredWeight weight : config.weights()) {
      if (HeldWeights.isMatrix(weight) && whole.changes(weight)) {
        throw new IllegalArgumentException(
            base
                + weight.parts().stream().map(StoredWeight.Part::name).toList()
                + " cannot be trained as it is, as norms, biases, embedding and output matrix can."
                + " Let what is trained name none of the layers' matrices"
                + ELSE);
      }
    }
  }

  /** Whether LoRA (not DoRA), if anything, changes the matrices of layers. */
  public boolean standsBeside() {
    if (isLora()) {
      return options().stream().noneMatch(LoraOptions::dora);
    }
    return config.weights().stream().filter(HeldWeights::isMatrix).noneMatch(this::changes);
  }

  /** The method, where it is AdaLoRA. */
  public Optional<AdaLora> adaLora() {
    return moduleMethod.filter(AdaLora.class::isInstance).map(AdaLora.class::cast);
  }

  private Optional<PromptMethod> promptMethod() {
    return adapter
        .map(AdapterConfig::method)
        .filter(PromptMethod.class::isInstance)
        .map(PromptMethod.class::cast);
  }

  /** Whether keys and values of virtual tokens are trained. */
  public boolean hasPrefix() {
    return promptMethod().filter(PrefixTuning.class::isInstance).isPresent();
  }

  /** Ids of the virtual tokens that stand before every text, behind the vocabulary; may be none. */
  public int[] virtualTokens() {
    int first = config.vocabSize();
    return IntStream.range(first, first + promptMethod().map(PromptMethod::tokens).orElse(0))
        .toArray();
  }

  /** What is in the buffer and not trained: each a start and a size, in order. */
  public List<long[]> frozen() {
    return Stream.concat(
            lora.frozen().stream(), modules.stream().flatMap(found -> found.frozen().stream()))
        .toList();
  }

  /** Whether training changes one of the kernels' weights. */
  public boolean changes(StoredWeight weight) {
    return full || parts.stream().anyMatch(part -> part.changes(weight));
  }

  /**
   * Class path names of the kernel texts of the adapter's method, whose functions take the places
   * of those of training or of generation.
   */
  public List<String> kernelTexts(boolean ofTraining) {
    if (beside.isPresent()) {
      return List.of("/kernels/methods/lora_beside.py");
    }
    if (prompt.isPresent()) {
      return prompt.get().texts(ofTraining);
    }
    return moduleMethod.map(method -> MethodKernels.of(method).texts(ofTraining)).orElse(List.of());
  }

  /** The numbers that the kernels need to know, by attribute name, in float32. */
  public Map<String, Object> kernelAttributes() {
    return kernelAttributes(Storage.FP32);
  }

  /**
   * Layers whose activations exist at once where the backward pass computes them again: with as
   * many segments as layers in one, both together are fewest (Chen et al., arXiv:1604.06174).
   */
  public static int segmentLayers(ModelConfig config) {
    return (int) Math.ceil(Math.sqrt(config.layers()));
  }

  /** The same, with matrices multiplied in a precision. */
  public Map<String, Object> kernelAttributes(Storage precision) {
    Map<String, Object> attributes = new LinkedHashMap<>(KernelChoices.of(config));
    attributes.put("bf16", precision == Storage.BF16);
    attributes.put("segment", (long) segmentLayers(config));
    attributes.put("widths", widths());
    attributes.put("group_piece", new long[] {0, 4, 6, 9});
    attributes.put("group_linear", new long[] {0, 3, 4, 6});
    attributes.put("group_size", new long[] {3, 1, 2, 1});
    parts.forEach(part -> attributes.putAll(part.attributes()));
    boolean head = beside.map(BesidePieces::changesHead).orElse(false);
    attributes.put("head_pieces", head);
    attributes.put("trains_head", head || headAt() >= 0);
    attributes.put(
        "trains_embedding", beside.map(BesidePieces::changesEmbedding).orElse(prompt.isPresent()));
    attributes.put("frozen_at", frozen().stream().mapToLong(span -> span[0]).toArray());
    attributes.put("frozen_sizes", frozen().stream().mapToLong(span -> span[1]).toArray());
    attributes.put("full", full);
    attributes.put("head_at", headAt());
    attributes.put("sizes", sizes.clone());
    return attributes;
  }

  /** Where the output matrix begins in the buffer; -1 where it is not trained. */
  private long headAt() {
    if (!full) {
      return whole.head().orElse(-1);
    }
    return config.tiedEmbeddings() ? 0 : sizes[0] + sizes[1];
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
   * Values to start training from: those of the adapter's method, and a value head that is normal
   * with deviation 1/sqrt(hidden + 1) (Stiennon et al. 2020). Not for {@link #isFull}; what starts
   * as the base has it is {@link #takeFromBase}'s.
   */
  public float[] initial(long seed) {
    Random random = new Random(seed);
    float[] flat = new float[size];
    parts.forEach(part -> part.initialise(flat, random));
    if (valueHead) {
      double deviation = 1 / Math.sqrt(config.hiddenSize() + 1.0);
      for (int i = size - config.hiddenSize(); i < size; i++) {
        flat[i] = (float) (deviation * random.nextGaussian());
      }
    }
    return flat;
  }

  /** Sets what starts as the base has it, such as its own tensors where they are trained. */
  public void takeFromBase(float[] flat, BaseModel base) {
    parts.forEach(part -> part.takeFromBase(flat, base));
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
    Map<String, TensorData> tensors = new LinkedHashMap<>();
    parts.forEach(part -> part.put(flat, tensors));
    if (valueHead) {
      tensors.put(AdapterConfig.HEAD, TensorData.of(valueHead(flat), 1, config.hiddenSize()));
    }
    AdapterConfig own =
        adapter.orElseGet(
            () -> new AdapterConfig(LoraOptions.plain(1, 1, Set.of()), valueHead, ""));
    Optional<AdaLora> left = adaLora().map(method -> method.keeping(method.left(config, tensors)));
    return new Adapter(
        new AdapterConfig(
            left.<PeftMethod>map(method -> method).orElse(finished(own.method())),
            valueHead,
            own.saved(),
            own.transposed(),
            baseModel),
        left.map(method -> method.pruned(config, tensors)).orElse(tensors));
  }

  private static PeftMethod finished(PeftMethod method) {
    if (method instanceof Vera vera) {
      return vera.withProjections();
    }
    return method instanceof LoraOptions options ? options.converted() : method;
  }

  /** Writes an adapter of this layout into a buffer; its head too, if both have one. */
  public void take(float[] flat, Adapter found) {
    Map<String, TensorData> tensors =
        found.config().method() instanceof AdaLora pruned
            ? pruned.padded(config, found.tensors())
            : found.tensors();
    parts.forEach(part -> part.take(flat, tensors));
    if (valueHead && found.config().head()) {
      setValueHead(flat, RowOrder.floats(found.tensors(), AdapterConfig.HEAD));
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
        float[] values = base.floats(i);
        System.arraycopy(values, 0, flat, at, values.length);
        at += values.length;
      }
    }
    return flat;
  }
}
