package dev.troupe.engine.generation;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import dev.troupe.models.torch.Team;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Samples from one role's model. {@link #flip} makes a shadow of the weights, merged with what is
 * trained and packed; the base itself is only read. {@link #release} gives the shadow up before
 * training goes on. Calls come from one thread at a time.
 */
public final class Generator implements AutoCloseable {
  /** Rows of one batch on one lane: enough that a step is bound by arithmetic. */
  public static final int MOST_ROWS = 64;

  /**
   * Up to so many prompts are answered as one batch that all cores work on, instead of a batch per
   * lane: the weights are read once. Faster where nothing else wants the cores, several times
   * slower where something does (docs/performance.md). A single prompt leaves the other lanes
   * without work anyway; beyond that it is for the user to choose.
   */
  private static final int WIDE_ROWS = Integer.getInteger("troupe.wide", 1);

  /**
   * Rows for which a team of lanes reads the weights, where lanes can share a batch: with fewer a
   * product waits for them, with more it is bound by arithmetic.
   */
  private static final int TEAM_ROWS = Integer.getInteger("troupe.team", 16);

  /**
   * How to generate.
   *
   * @param format of the matrices
   * @param cacheBytes that the caches of keys and values may take together
   * @param keepUntouched whether packed matrices that training does not change outlive a release:
   *     the next flip is faster, training has less memory
   * @param training in what the training path multiplies, which the probe compares with
   * @param kernels whose operators, if there is a choice
   * @param cache of keys and values
   * @param exact whether {@link #logprobs} is to give what is sampled, bit for bit
   */
  public record Options(
      Storage format,
      long cacheBytes,
      boolean keepUntouched,
      Storage training,
      Numerics.Kernels kernels,
      Numerics.Cache cache,
      boolean exact) {
    /** Beside a training path in float32. */
    public Options(Storage format, long cacheBytes, boolean keepUntouched) {
      this(
          format,
          cacheBytes,
          keepUntouched,
          Storage.FP32,
          Numerics.Kernels.AUTO,
          Numerics.Cache.AUTO,
          false);
    }

    /** The same by the operators of one side. */
    public Options by(Numerics.Kernels wanted) {
      return new Options(format, cacheBytes, keepUntouched, training, wanted, cache, exact);
    }

    /** The same with keys and values in other numbers. */
    public Options caching(Numerics.Cache wanted) {
      return new Options(format, cacheBytes, keepUntouched, training, kernels, wanted, exact);
    }

    /** The same, exact or not. */
    public Options exactly(boolean whether) {
      return new Options(format, cacheBytes, keepUntouched, training, kernels, cache, whether);
    }

    /** Exact weights, half a gigabyte of cache. */
    public static Options defaults() {
      return of(Storage.FP32, Storage.FP32);
    }

    /** Half a gigabyte of cache. */
    public static Options of(Storage format, Storage training) {
      return new Options(
          format, 512L << 20, true, training, Numerics.Kernels.AUTO, Numerics.Cache.AUTO, false);
    }
  }

  private final BaseModel base;

  /** Ids of tokens that stand before every prompt. */
  private final int[] virtual;

  private final Tokenizer tokenizer;
  private final Options options;
  private final Lanes lanes;
  private final KernelModule training;

  /** Whether lanes can work on one batch: all that takes long is the library's. */
  private final boolean shares;

  /** Of one number of a key or value. */
  private final int cacheNumberBytes;

  private final KernelModule kernels;
  private final Probe probe;
  private final Set<Integer> endTokens;
  private final int readAgainAt;
  private final long matrixBytes;
  private final long touchedBytes;
  private EngineMode mode = new EngineMode.Training();
  private @Nullable Shadow shadow;
  private Handle untouched;
  private boolean holdsUntouched;
  private final AtomicLong cacheInUse = new AtomicLong();
  private final AtomicLong cachePeak = new AtomicLong();

  /**
   * @param layout of the parameters that {@link #flip} will be given
   */
  public Generator(
      BaseModel base, Tokenizer tokenizer, ParameterLayout layout, Lanes lanes, Options options) {
    checkBeside(layout, options.format());
    this.base = base;
    virtual = layout.virtualTokens();
    this.tokenizer = tokenizer;
    this.options = options;
    this.lanes = lanes;
    Map<String, Object> attributes = new LinkedHashMap<>(layout.kernelAttributes());
    attributes.putAll(base.kernelAttributes());
    training =
        lanes
            .run(() -> Operators.products(options.kernels(), options.training()))
            .kernels(layout, options.training(), base);
    // Where qkv, o, gate_up and down stand in a layer's weights.
    attributes.put("weight_at", new long[] {1, 2, 4, 5});
    Operators operators =
        lanes.run(
            () ->
                Operators.choose(options.kernels(), options.format())
                    .caching(options.cache(), options.format())
                    .exactly(options.exact(), options.format()));
    cacheNumberBytes = operators.cacheBytes();
    shares = operators.areNative() && Packing.of(options.format()).hasNativeProducts();
    List<String> texts = new ArrayList<>(List.of("/kernels/generate.py"));
    texts.addAll(layout.kernelTexts(false));
    texts.addAll(base.kernelTexts(false));
    texts.addAll(Packing.of(options.format()).texts());
    kernels =
        KernelModule.load(
            Generator.class,
            texts,
            attributes,
            lanes.run(() -> Packing.of(options.format()).placeholders(operators)));
    probe = new Probe(kernels, training, base, virtual, options, operators.halfCache());
    untouched = lanes.run(() -> kernels.infer("nothing"));
    endTokens = new HashSet<>(base.config().eosTokenIds());
    tokenizer.endOfText().ifPresent(endTokens::add);
    readAgainAt =
        base.config()
            .turns(false)
            .filter(turns -> turns.scaling().original() < Integer.MAX_VALUE)
            .map(turns -> turns.original(base.config().maxPositionEmbeddings()))
            .orElse(0);
    if (options.exact()) {
      checkExact(base.config(), layout);
    }
    matrixBytes = shadowBytes(base.config(), options.format());
    touchedBytes =
        options.format().isOfBaseAlone() ? 0 : options.format().bytes(Matrices.touched(layout));
  }

  /**
   * Whether a model can be sampled from as its base is held: where LoRA alone, if anything, is
   * trained beside the matrices of layers.
   *
   * @throws GenerationException when it cannot
   */
  public static void checkBeside(ParameterLayout layout, Storage format) {
    if (format.isOfBaseAlone() && !layout.standsBeside()) {
      throw new GenerationException(
          "rollout weights in "
              + format
              + " are the frozen base as it is held, and what is tuned here is merged with it to sample:"
              + " LoRA alone can stand beside it. Let engine.rollout-weights (--weights) be int8 or"
              + " auto, or tuning.type be lora.");
    }
  }

  /**
   * Whether what was sampled of a model can be computed again from the whole text.
   *
   * @throws GenerationException when it cannot
   */
  public static void checkExact(ModelConfig config, ParameterLayout layout) {
    if (layout.hasPrefix()) {
      throw new GenerationException(
          "engine.on-policy is exact, and a prefix of keys and values (tuning.type prefix) is not in the"
              + " operators that score so. Let engine.on-policy be usual, or tuning.type be prompt.");
    }
    int original = config.steadyContext();
    if (original < config.maxPositionEmbeddings()) {
      throw new GenerationException(
          "engine.on-policy is exact, and this model's rope_scaling turns all positions otherwise in"
              + " texts of more than "
              + original
              + " tokens: what was sampled before a text grew beyond them cannot come out again. Let"
              + " engine.on-policy be usual.");
    }
  }

  /** Native bytes of a shadow, before there is one. */
  public static long shadowBytes(ModelConfig config, Storage format) {
    if (format.isOfBaseAlone()) {
      // The output matrix in eight bits, with a float32 for each 64 of them.
      long head = (long) config.vocabSize() * config.hiddenSize();
      return head + Float.BYTES * head / 64;
    }
    return format.bytes(Matrices.elements(config));
  }

  /** Whether a row's bits are the same in any batch, on any number of lanes. */
  public boolean samplesByRow() {
    return shares;
  }

  /** What it is doing. */
  public EngineMode mode() {
    return mode;
  }

  /**
   * To be called when the weights go on from those of another generator, before a restart or on
   * another node: they need not be probed as those that a run begins with.
   */
  public void goesOn() {
    probe.goesOn();
  }

  /**
   * Makes the shadow of a version and probes it.
   *
   * @param parameters the role's flat buffer, read only
   * @throws GenerationException when both paths do not agree; the mode is then still training
   */
  public FlipReport flip(Handle parameters, long version) {
    return flip(parameters, version, UnaryOperator.identity());
  }

  /**
   * As {@link #flip}; {@code damage} lets a test put a spoilt shadow, and close the right one,
   * before the probe sees it.
   */
  FlipReport flip(Handle parameters, long version, UnaryOperator<Shadow> damage) {
    EngineMode.Generating next = mode.flip(version, options.format());
    long start = System.nanoTime();
    Handle matrices = packed(parameters);
    return lanes.run(
        () -> {
          Shadow right = new Shadow(kernels.infer("frame", base.weights(), parameters), matrices);
          long packed = System.nanoTime();
          Shadow made = damage.apply(right);
          try {
            double difference = probe.check(parameters, made, next);
            if (options.keepUntouched()) {
              replaceUntouched(kernels.infer("untouched", parameters, made.packed()));
              holdsUntouched = true;
            }
            shadow = made;
            mode = next;
            return new FlipReport(
                version, (packed - start) / 1e6, (System.nanoTime() - packed) / 1e6, difference);
          } finally {
            if (shadow == null) {
              made.close();
            }
          }
        });
  }

  /** All matrices, each lane having packed a part of them. */
  private Handle packed(Handle parameters) {
    List<Handle> parts =
        lanes.map(
            lanes.count(),
            i -> {
              try (Handle part = Handle.of((long) i);
                  Handle count = Handle.of((long) lanes.count())) {
                return kernels.infer("shadow", base.weights(), parameters, untouched, part, count);
              }
            });
    return parts.stream()
        .reduce(
            (some, more) -> {
              try (some;
                  more) {
                return kernels.infer("joined", some, more);
              }
            })
        .orElseThrow();
  }

  private void replaceUntouched(Handle now) {
    untouched.close();
    untouched = now;
  }

  /** Frees the shadow; from then on the parameters may change. */
  public void release() {
    mode = mode.release();
    if (shadow != null) {
      shadow.close();
      shadow = null;
    }
    cachePeak.set(0);
  }

  /**
   * Answers prompts.
   *
   * @param version that was flipped to
   * @return one rollout per prompt, in order
   * @throws GenerationException when a prompt does not fit the context
   */
  public List<Rollout> generate(long version, List<Prompt> prompts, SamplingSettings settings) {
    return generate(version, prompts, 1, settings);
  }

  /**
   * Answers each prompt several times. An answer's random numbers depend on the seed, its prompt's
   * id and its own number, so that more answers leave the first ones as they are.
   *
   * @param answers to each prompt
   * @return those of one prompt side by side, in the order of their numbers
   */
  public List<Rollout> generate(
      long version, List<Prompt> prompts, int answers, SamplingSettings settings) {
    if (answers < 1) {
      throw new GenerationException(
          "each prompt is to have " + answers + " answers, must be at least 1");
    }
    return generate(version, prompts, answers, settings, piece -> {}, false);
  }

  /**
   * Answers one prompt, and tells each piece of text, on a thread of this class, as it comes.
   *
   * @param version that was flipped to
   */
  public Rollout stream(
      long version, Prompt prompt, SamplingSettings settings, Consumer<String> listener) {
    return generate(version, List.of(prompt), 1, settings, listener, true).get(0);
  }

  private List<Rollout> generate(
      long version,
      List<Prompt> prompts,
      int answers,
      SamplingSettings settings,
      Consumer<String> listener,
      boolean streaming) {
    mode.requireGenerating(version);
    List<Reply> replies = new ArrayList<>();
    for (Prompt prompt : prompts) {
      for (int answer = 0; answer < answers; answer++) {
        replies.add(reply(prompt, answer, settings, listener, streaming));
      }
    }
    if (replies.isEmpty()) {
      return List.of();
    }
    if (!shares
        && replies.size() <= WIDE_ROWS
        && rows(replies, replies.size(), 1) == replies.size()) {
      lanes.wide(() -> answer(Team.alone(), settings, replies, replies.size()));
    } else {
      int most = Math.min(lanes.count(), replies.size());
      int teams = shares ? Math.min(most, Math.max(1, replies.size() / TEAM_ROWS)) : most;
      List<List<Reply>> portions = shares(replies, teams);
      int largest = portions.get(portions.size() - 1).size();
      int rows = rows(replies, largest, portions.size());
      BiFunction<Team, Integer, Integer> work =
          (team, i) ->
              answer(team, settings, portions.get(i), Math.min(rows, portions.get(i).size()));
      if (shares) {
        lanes.inTeams(teams, work);
      } else {
        lanes.map(teams, i -> work.apply(Team.alone(), i));
      }
    }
    return replies.stream().map(reply -> reply.rollout(version)).toList();
  }

  /**
   * Log-probabilities of given tokens, bit for bit those that they would be sampled with, where the
   * options say exact. To be called on a lane, by any number of them.
   *
   * @param version that was flipped to
   * @param ids a list of [rows, tokens], -1 behind a row's end
   * @param reads positions in them end to end, after which a token comes
   * @param targets those tokens
   */
  public float[] logprobs(
      long version, Handle ids, Handle reads, Handle targets, double temperature) {
    mode.requireGenerating(version);
    Shadow weights = held();
    try (Handle at = Handle.of(temperature);
        Handle found =
            kernels.infer(
                "exact_logprobs", ids, reads, targets, at, weights.frame(), weights.packed())) {
      return found.floats();
    }
  }

  private Shadow held() {
    Shadow weights = shadow;
    if (weights == null) {
      throw new IllegalStateException("no shadow while " + mode.describe());
    }
    return weights;
  }

  private int answer(Team team, SamplingSettings settings, List<Reply> share, int rows) {
    long bytes = DecodeBatch.slots(share, rows < share.size()) * slotBytes() * rows;
    cachePeak.accumulateAndGet(cacheInUse.addAndGet(bytes), Math::max);
    try (DecodeBatch batch = batch(team, settings, share, rows)) {
      batch.run();
      return rows;
    } finally {
      cacheInUse.addAndGet(-bytes);
    }
  }

  /** So many of the replies at a time, to be run on a lane. */
  DecodeBatch batch(SamplingSettings settings, List<Reply> replies, int rows) {
    return batch(Team.alone(), settings, replies, rows);
  }

  /** As above, to be run on the lane that leads a team. */
  DecodeBatch batch(Team team, SamplingSettings settings, List<Reply> replies, int rows) {
    return new DecodeBatch(team, kernels, held(), settings, replies, rows, readAgainAt);
  }

  /**
   * @param answer its number among those to the same prompt, from 0
   */
  Reply reply(
      Prompt prompt,
      int answer,
      SamplingSettings settings,
      Consumer<String> listener,
      boolean streaming) {
    ModelConfig config = base.config();
    int size = prompt.tokens().size();
    int room = config.maxPositionEmbeddings() - virtual.length - size;
    if (size == 0) {
      throw new GenerationException("Prompt '" + prompt.id() + "' has no tokens.");
    }
    if (room < 1) {
      throw new GenerationException(
          "Prompt '"
              + prompt.id()
              + "' has "
              + size
              + " tokens, but the model's context is "
              + config.maxPositionEmbeddings()
              + (virtual.length == 0 ? "" : ", of which " + virtual.length + " are virtual,")
              + " (max_position_embeddings in config.json) and must leave room for an answer."
              + " Shorten the prompt, or let the data's length policy drop or truncate it.");
    }
    for (int token : prompt.tokens().values()) {
      if (token < 0 || token >= config.vocabSize()) {
        throw new GenerationException(
            "Prompt '"
                + prompt.id()
                + "' has token "
                + token
                + ", but the model's vocabulary is "
                + config.vocabSize()
                + ". Is the tokenizer the model's own?");
      }
    }
    return new Reply(
        prompt, virtual, answer, settings, room, endTokens, tokenizer, listener, streaming);
  }

  /**
   * Equal shares, no more than there are replies: each with short prompts first, and equal prompts,
   * which share a prefill, in one share as far as that goes.
   */
  static List<List<Reply>> shares(List<Reply> replies, int most) {
    Map<TokenIds, List<Reply>> equal = new LinkedHashMap<>();
    for (Reply reply : replies) {
      equal.computeIfAbsent(reply.start(), key -> new ArrayList<>()).add(reply);
    }
    List<List<Reply>> groups = new ArrayList<>(equal.values());
    groups.sort(Comparator.comparingInt(group -> group.get(0).start().size()));
    int count = Math.min(most, replies.size());
    // As if dealt to the lanes, one lane's groups behind another's: then cut.
    List<Reply> dealt = new ArrayList<>();
    for (int lane = 0; lane < count; lane++) {
      for (int i = lane; i < groups.size(); i += count) {
        dealt.addAll(groups.get(i));
      }
    }
    List<List<Reply>> shares = new ArrayList<>();
    for (int lane = 0; lane < count; lane++) {
      int from = (int) ((long) dealt.size() * lane / count);
      int to = (int) ((long) dealt.size() * (lane + 1) / count);
      shares.add(dealt.subList(from, to));
    }
    return shares;
  }

  /** How many of its rows each of so many batches answers at a time. */
  private int rows(List<Reply> replies, int largest, int batches) {
    if (largest <= MOST_ROWS && affordableRows(replies, false, batches) >= largest) {
      return largest;
    }
    return (int) Math.min(MOST_ROWS, affordableRows(replies, true, batches));
  }

  private long affordableRows(List<Reply> replies, boolean later, int batches) {
    int slots = DecodeBatch.slots(replies, later);
    long rowBytes = slots * slotBytes();
    long rows = options.cacheBytes() / (rowBytes * batches);
    if (rows < 1) {
      throw new GenerationException(
          "The cache of keys and values needs "
              + (rowBytes >> 20)
              + " MiB for one response of up to "
              + slots
              + " tokens, on "
              + batches
              + " lanes at once, but may take "
              + (options.cacheBytes() >> 20)
              + " MiB. Lower the new tokens per response, or give the cache more memory.");
    }
    return rows;
  }

  /** Bytes of cache per row and slot. */
  private long slotBytes() {
    ModelConfig config = base.config();
    return 2L * config.layers() * config.kvHeads() * config.headDim() * cacheNumberBytes;
  }

  /**
   * Native bytes by purpose: {@code shadow} is what is held now, {@code kv-cache} the most that
   * calls have taken since the last flip (it lives for one call).
   */
  public Map<String, Long> memoryBytes() {
    long held = holdsUntouched ? matrixBytes - touchedBytes : 0;
    return Map.of("shadow", shadow == null ? held : matrixBytes, "kv-cache", cachePeak.get());
  }

  @Override
  public void close() {
    if (shadow != null) {
      shadow.close();
      shadow = null;
    }
    untouched.close();
    kernels.close();
    training.close();
  }
}
