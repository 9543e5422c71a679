package dev.troupe.engine;

import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.decoder.Products;
import dev.troupe.models.torch.GradMode;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.PartialSums;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Shards;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.Span;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.StepSettings;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenOutputs;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SortedMap;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * The training path of one role: forward, the objective's gradient carried back, AdamW.
 * Micro-batches follow from the examples, and their gradients are added along a tree that follows
 * from their number, so that the same step gives the same bits on one lane or on many.
 */
final class Trainer implements AutoCloseable {
  /** Of a forward pass: hidden states, log-probabilities, entropies, values. */
  private static final int OUTPUTS = 4;

  private static final float[] NONE = {};

  private final BaseModel base;
  private final Storage precision;
  private final ParameterLayout layout;
  private final double temperature;
  private final long seed;
  private final Lanes lanes;

  /** Ids of tokens that stand before every sequence. */
  private final int[] virtual;

  private final KernelModule kernels;
  private final Handle temperatureHandle;

  /**
   * The flat parameter buffer; written in place by the optimiser, so views and lists of it stay
   * valid.
   */
  private final Handle parameters;

  /** What of the buffer this one steps along; all of it where there are no shards. */
  private final Shards shards;

  private final Share shard;

  /** Of {@link #parameters}, as long as that. */
  private final Handle stepped;

  private final Optional<AdamState> adam;

  /** Which of AdaLoRA's triplets stay, where that is what is trained. */
  private final Optional<RankAllocation> allocation;

  private final Accumulation accumulation;

  /**
   * Whether torch makes whole matrices of a base held in blocks, and keeps them for the backward
   * pass: those of a layer at a time, then, which is computed again.
   */
  private final boolean expands;

  /** What scores in the place of the training path, where a policy is to be exact. */
  private final Optional<ExactLogprobs> exact;

  /**
   * @param rateRatioOfB how many times the learning rate LoRA's B steps at
   * @param shard whose optimiser state it holds
   * @param exact if present, has the log-probabilities that are asked for and those that are
   *     compared with sampled ones; their gradient is that of the training path
   */
  Trainer(
      BaseModel base,
      ParameterLayout layout,
      float[] initial,
      Storage precision,
      Products products,
      Optional<OptimizerSettings> optimizer,
      Optional<Double> emaDecay,
      double rateRatioOfB,
      double temperature,
      long seed,
      Lanes lanes,
      Share shard,
      Optional<ExactLogprobs> exact) {
    this.base = base;
    this.exact = exact;
    this.precision = precision;
    this.layout = layout;
    this.temperature = temperature;
    this.seed = seed;
    this.lanes = lanes;
    expands = base.quantisation().isPresent() && !products.areNative();
    kernels = products.kernels(layout, precision, base);
    virtual = layout.virtualTokens();
    temperatureHandle = Handle.of(temperature);
    try (Handle data = Handle.of(initial, initial.length)) {
      parameters = lanes.run(() -> kernels.train("leaf", data));
    }
    this.shard = shard;
    shards = new Shards(layout.size(), shard.of());
    int from = shards.from(shard.rank());
    stepped = lanes.run(() -> part(parameters, from, shards.count(shard.rank())));
    List<RateGroup> apart =
        apart(layout, rateRatioOfB).stream()
            .map(group -> group.within(from, shards.to(shard.rank())))
            .filter(group -> !group.spans().isEmpty())
            .toList();
    adam =
        optimizer.map(
            settings -> new AdamState(kernels, lanes, stepped, settings, emaDecay, apart));
    allocation =
        layout
            .adaLora()
            .filter(method -> adam.isPresent())
            .map(
                method ->
                    new RankAllocation(
                        kernels, lanes, parameters, method, method.modules(base.config()).size()));
    accumulation = new Accumulation(kernels, lanes);
  }

  /** Parts of the buffer that do not step at the rate itself. */
  private static List<RateGroup> apart(ParameterLayout layout, double rateRatioOfB) {
    List<RateGroup> apart = new ArrayList<>();
    if (!layout.frozen().isEmpty()) {
      apart.add(new RateGroup(layout.frozen(), 0));
    }
    if (rateRatioOfB != 1 && !layout.spansOfB().isEmpty()) {
      apart.add(new RateGroup(layout.spansOfB(), rateRatioOfB));
    }
    return apart;
  }

  /** A view, which an update of the part writes through. */
  private Handle part(Handle buffer, long from, long size) {
    try (Handle starts = Handle.ofList(from);
        Handle sizes = Handle.ofList(size);
        Handle views = kernels.train("spans", buffer, starts, sizes)) {
      return views.parts()[0];
    }
  }

  Handle parameters() {
    return parameters;
  }

  /** What of the buffer is this one's to step along. */
  Shards shards() {
    return shards;
  }

  int rank() {
    return shard.rank();
  }

  KernelModule kernels() {
    return kernels;
  }

  Optional<RankAllocation> allocation() {
    return allocation;
  }

  Optional<AdamState> adam() {
    return adam;
  }

  double temperature() {
    return temperature;
  }

  /** Outputs at the reads of each sequence, in order; no graph. */
  List<TokenOutputs> evaluate(List<Sequence> sequences, Set<Output> outputs) {
    return List.copyOf(evaluate(sequences, outputs, Share.WHOLE).values());
  }

  /** The same of a share of the sequences, by their places. */
  SortedMap<Integer, TokenOutputs> evaluate(
      List<Sequence> sequences, Set<Output> outputs, Share share) {
    check(sequences, outputs);
    List<List<Integer>> batches = cut(sequences.stream().map(List::of).toList(), 0);
    SortedMap<Integer, TokenOutputs> found = new ConcurrentSkipListMap<>();
    lanes.spread(
        share.from(batches.size()),
        share.to(batches.size()),
        number -> {
          List<Integer> batch = batches.get(number);
          List<Sequence> rows = batch.stream().map(sequences::get).toList();
          Iterator<TokenOutputs> each = evaluateTogether(rows, outputs).iterator();
          batch.forEach(item -> found.put(item, each.next()));
        });
    return found;
  }

  private List<TokenOutputs> evaluateTogether(List<Sequence> rows, Set<Output> outputs) {
    try (TokenBatch batch = batch(rows)) {
      Optional<float[]> logprobs =
          exact.filter(scores -> outputs.contains(Output.LOGPROBS)).map(scores -> scores.of(batch));
      Set<Output> own = EnumSet.noneOf(Output.class);
      own.addAll(outputs);
      if (logprobs.isPresent()) {
        own.remove(Output.LOGPROBS);
        if (own.isEmpty()) {
          return outputs(new float[][] {logprobs.get(), NONE, NONE}, rows);
        }
      }
      try (Handles arguments = forwardArguments(batch, own, OptionalLong.empty());
          Handle result = kernels.infer("evaluate", arguments.all())) {
        return outputs(result.parts(), 0, logprobs, rows);
      }
    }
  }

  /** Micro-batches of items that are one or more sequences each. */
  private List<List<Integer>> cut(List<List<Sequence>> items, int microBatchTokens) {
    List<int[]> lengths = items.stream().map(this::lengths).toList();
    int tokens =
        microBatchTokens > 0 ? microBatchTokens : MicroBatches.tokens(base.config(), precision);
    return packs() ? MicroBatches.packed(lengths, tokens) : MicroBatches.padded(lengths, tokens);
  }

  private TokenBatch batch(List<Sequence> rows) {
    int[] lengths = lengths(rows);
    return TokenBatch.of(rows, packs() ? Section.several(lengths) : Section.one(lengths), virtual);
  }

  /** With what stands before them. */
  private int[] lengths(List<Sequence> sequences) {
    return sequences.stream()
        .mapToInt(sequence -> virtual.length + sequence.tokens().size())
        .toArray();
  }

  private boolean packs() {
    return adam.map(state -> state.settings().packing()).orElse(false);
  }

  private boolean recomputes() {
    return expands || adam.map(state -> state.settings().recompute()).orElse(false);
  }

  /** What one micro-batch comes to, or some of them together. */
  private record Part(Accumulated figures, Handle gradient) {}

  /** What a call comes to: the whole of it, or the parts that a replica has. */
  private record Sums(Span whole, Map<Span, Part> parts) {}

  /** Adds to the gradient of the next step; when that fails, all of it is given up. */
  <E extends Example> Accumulated accumulate(
      Objective<E> objective, List<E> examples, BatchTotals totals) {
    int tokens = trained().settings().microBatchTokens();
    return added(() -> sums(objective, examples, totals, tokens, Share.WHOLE));
  }

  /** The same of a replica, which has from {@code together} what the others have. */
  <E extends Example> Accumulated accumulate(
      Objective<E> objective,
      List<E> examples,
      BatchTotals totals,
      Share share,
      RoleEngine.Together together) {
    int tokens = trained().settings().microBatchTokens();
    return added(
        () -> {
          Sums own = sums(objective, examples, totals, tokens, share);
          PartialSums.Part all = together.whole(copied(own, layout.size()));
          try (Handle values = Handle.of(all.gradient().values(), all.gradient().size())) {
            Handle gradient = lanes.run(() -> kernels.train("plain", values));
            return new Sums(own.whole(), Map.of(own.whole(), new Part(all.figures(), gradient)));
          }
        });
  }

  private Accumulated added(Supplier<Sums> work) {
    try {
      Sums sums = work.get();
      Part sum = sums.parts().get(sums.whole());
      accumulation.add(sum.gradient(), sum.figures().loss(), sums.whole().size());
      return new Accumulated(sum.figures().loss(), new TreeMap<>(sum.figures().metrics()));
    } catch (RuntimeException | Error e) {
      accumulation.fail(e);
      throw e;
    }
  }

  /** On the heap; frees what it is a copy of. */
  private static PartialSums copied(Sums sums, int size) {
    Map<Span, PartialSums.Part> parts = new HashMap<>();
    sums.parts()
        .forEach(
            (span, part) -> {
              try (Handle gradient = part.gradient()) {
                parts.put(
                    span, new PartialSums.Part(part.figures(), new Floats(gradient.floats())));
              }
            });
    return new PartialSums(sums.whole(), size, parts);
  }

  /** One optimiser step along what was accumulated. */
  StepResult step(Optional<StepSettings> settings) {
    AdamState state = trained();
    Handle gradient = accumulation.gradient();
    try {
      StepSettings asked = settings.orElseGet(() -> state.settings().at(state.steps()));
      long number = state.steps();
      allocation.ifPresent(ranks -> ranks.regularise(gradient));
      StepResult result = state.step(gradient, accumulation.loss(), asked);
      if (result.applied()) {
        allocation.ifPresent(ranks -> ranks.update(number, gradient));
      }
      return result;
    } finally {
      accumulation.close();
    }
  }

  /** The same of a replica: along its shard, with what the others come to along theirs. */
  StepResult step(Optional<StepSettings> settings, RoleEngine.Gathering others) {
    AdamState state = trained();
    Handle gradient = accumulation.gradient();
    try {
      StepSettings asked = settings.orElseGet(() -> state.settings().at(state.steps()));
      Floats norms = others.all(new Floats(state.norms(gradient)), shards.chunksByRank());
      StepResult result =
          state.step(gradient, AdamState.norm(norms.values()), accumulation.loss(), asked);
      if (result.applied()) {
        parameters.write(others.all(new Floats(stepped.floats()), shards.numbersByRank()).values());
      }
      return result;
    } finally {
      accumulation.close();
    }
  }

  private AdamState trained() {
    return adam.orElseThrow(() -> new EngineException("a frozen role cannot be trained"));
  }

  /** What is accumulated for the next step. */
  Accumulation accumulation() {
    return accumulation;
  }

  /** The gradient of a step over these examples alone, before clipping. */
  <E extends Example> float[] gradient(Objective<E> objective, List<E> examples) {
    Sums sums = sums(objective, examples, BatchTotals.of(examples), 0, Share.WHOLE);
    try (Handle gradient = sums.parts().get(sums.whole()).gradient()) {
      return gradient.floats();
    }
  }

  private <E extends Example> Sums sums(
      Objective<E> objective,
      List<E> examples,
      BatchTotals totals,
      int microBatchTokens,
      Share share) {
    if (examples.isEmpty()) {
      throw new EngineException("an update needs at least one example");
    }
    BatchTotals own = BatchTotals.of(examples);
    if (totals.examples() < own.examples() || totals.reads() < own.reads()) {
      throw new EngineException(
          "a step is said to have "
              + totals.examples()
              + " examples with "
              + totals.reads()
              + " reads, and these alone are "
              + own.examples()
              + " with "
              + own.reads());
    }
    List<Sequence> all =
        examples.stream().flatMap(example -> example.sequences().stream()).toList();
    check(all, objective.needs());
    List<List<Integer>> batches =
        cut(examples.stream().map(Example::sequences).toList(), microBatchTokens);
    Span whole = new Span(0, batches.size());
    SumTree<Part> tree = new SumTree<>(whole, this::plus);
    try {
      lanes.spread(
          share.from(batches.size()),
          share.to(batches.size()),
          number -> {
            List<E> together = batches.get(number).stream().map(examples::get).toList();
            tree.add(number, microBatch(together, objective, totals, number));
          });
    } catch (RuntimeException | Error e) {
      tree.take().values().forEach(part -> part.gradient().close());
      throw e;
    }
    return new Sums(whole, tree.take());
  }

  /** At most so many gradients are there at once, of so many micro-batches on so many lanes. */
  static int gradients(int microBatches, int lanes) {
    int depth = Integer.SIZE - Integer.numberOfLeadingZeros(microBatches - 1);
    return Math.min(microBatches, depth + lanes);
  }

  /** On a lane; the first one's gradient becomes the sum. */
  private Part plus(Part one, Part other) {
    try (Handle gradient = other.gradient()) {
      kernels.train("add", one.gradient(), gradient).close();
    } catch (RuntimeException | Error e) {
      one.gradient().close();
      throw e;
    }
    return new Part(one.figures().plus(other.figures()), one.gradient());
  }

  private <E extends Example> Part microBatch(
      List<E> examples, Objective<E> objective, BatchTotals totals, int number) {
    List<Sequence> rows =
        examples.stream().flatMap(example -> example.sequences().stream()).toList();
    long dropout = dropoutSeed(accumulation.microBatches() + number);
    String forward = recomputes() ? "sparing" : "forward";
    try (TokenBatch batch = batch(rows);
        Handles arguments = forwardArguments(batch, objective.needs(), OptionalLong.of(dropout));
        Handle result = GradMode.with(() -> kernels.train(forward, arguments.all()))) {
      Optional<float[]> logprobs =
          exact.filter(scores -> objective.comparesWithSampling()).map(scores -> scores.of(batch));
      Handle[] parts = result.parts();
      // Behind the four outputs, what the backward pass need not compute again: logits, or where it
      // computes all again, the inputs of each segment of layers.
      try (Handle states = parts[0];
          Handles kept = new Handles(List.of(), List.of(parts).subList(OUTPUTS, parts.length))) {
        List<TokenOutputs> flat = outputs(parts, 1, logprobs, rows);
        List<List<TokenOutputs>> perExample = new ArrayList<>();
        int at = 0;
        for (E example : examples) {
          int count = example.sequences().size();
          perExample.add(flat.subList(at, at + count));
          at += count;
        }
        LossGradient outcome = objective.evaluate(examples, perExample, totals);
        Handle gradient =
            GradMode.with(() -> backward(states, batch, rows, outcome, kept.owned(), dropout));
        return new Part(new Accumulated(outcome.loss(), outcome.metrics()), gradient);
      }
    }
  }

  private Handle backward(
      Handle states,
      TokenBatch batch,
      List<Sequence> rows,
      LossGradient outcome,
      List<Handle> kept,
      long dropout) {
    List<TokenGradients> gradients = outcome.gradients().stream().flatMap(List::stream).toList();
    float[] logprobs = column(gradients, rows, TokenGradients::logprobs);
    float[] entropies = column(gradients, rows, TokenGradients::entropies);
    float[] values = column(gradients, rows, TokenGradients::values);
    try (Handle gl = Handle.of(logprobs, logprobs.length);
        Handle ge = Handle.of(entropies, entropies.length);
        Handle gv = Handle.of(values, values.length);
        Handle given = Handle.ofTensors(kept)) {
      List<Handle> arguments =
          List.of(
              states,
              batch.targets(),
              base.weights(),
              parameters,
              temperatureHandle,
              gl,
              ge,
              gv,
              given);
      if (!recomputes()) {
        return kernels.train("backward", arguments.toArray(Handle[]::new));
      }
      try (Handle seed = Handle.of(dropout)) {
        List<Handle> all = new ArrayList<>(arguments);
        all.addAll(List.of(batch.ids(), batch.reads(), seed));
        return kernels.train("again", all.toArray(Handle[]::new));
      }
    }
  }

  /** One column of all sequences' gradients, M long, or empty when no sequence has any. */
  private static float[] column(
      List<TokenGradients> gradients, List<Sequence> rows, Function<TokenGradients, Floats> part) {
    if (gradients.stream().allMatch(gradient -> part.apply(gradient).size() == 0)) {
      return new float[0];
    }
    float[] out = new float[rows.stream().mapToInt(row -> row.reads().size()).sum()];
    int at = 0;
    for (int i = 0; i < rows.size(); i++) {
      float[] values = part.apply(gradients.get(i)).values();
      int count = rows.get(i).reads().size();
      if (values.length != 0 && values.length != count) {
        throw new IllegalArgumentException(
            "the objective gave " + values.length + " gradients for " + count + " reads");
      }
      System.arraycopy(values, 0, out, at, values.length);
      at += count;
    }
    return out;
  }

  /**
   * Of one micro-batch of one step, so that a run that is taken up again drops what it would have
   * dropped. Never 0, which means no dropout.
   */
  private long dropoutSeed(int microBatch) {
    long steps = adam.map(AdamState::steps).orElse(0L);
    return new SplittableRandom(seed + 0x9e3779b97f4a7c15L * steps)
            .longs(microBatch + 1L)
            .skip(microBatch)
            .findFirst()
            .orElseThrow()
        | 1;
  }

  private Handles forwardArguments(
      TokenBatch batch, Set<Output> outputs, OptionalLong dropoutSeed) {
    List<Handle> owned = new ArrayList<>();
    owned.add(Handle.of(outputs.contains(Output.LOGPROBS)));
    owned.add(Handle.of(outputs.contains(Output.ENTROPIES)));
    owned.add(Handle.of(outputs.contains(Output.VALUES)));
    dropoutSeed.ifPresent(value -> owned.add(Handle.of(value)));
    return new Handles(
        List.of(
            batch.ids(),
            batch.reads(),
            batch.targets(),
            base.weights(),
            parameters,
            temperatureHandle),
        owned);
  }

  /** Arguments of a call: some borrowed, some owned. */
  private record Handles(List<Handle> borrowed, List<Handle> owned) implements AutoCloseable {
    Handle[] all() {
      List<Handle> all = new ArrayList<>(borrowed);
      all.addAll(owned);
      return all.toArray(Handle[]::new);
    }

    @Override
    public void close() {
      owned.forEach(Handle::close);
    }
  }

  /**
   * Splits [logprobs, entropies, values] from {@code parts[from]} on over the rows, and closes
   * those parts.
   *
   * @param logprobs in the place of those
   */
  private static List<TokenOutputs> outputs(
      Handle[] parts, int from, Optional<float[]> logprobs, List<Sequence> rows) {
    float[][] columns = new float[3][];
    for (int i = 0; i < 3; i++) {
      columns[i] = parts[from + i].floats();
      parts[from + i].close();
    }
    logprobs.ifPresent(others -> columns[0] = others);
    return outputs(columns, rows);
  }

  private static List<TokenOutputs> outputs(float[][] columns, List<Sequence> rows) {
    List<TokenOutputs> out = new ArrayList<>();
    int at = 0;
    for (Sequence row : rows) {
      int count = row.reads().size();
      out.add(
          new TokenOutputs(
              slice(columns[0], at, count),
              slice(columns[1], at, count),
              slice(columns[2], at, count)));
      at += count;
    }
    return out;
  }

  private static Floats slice(float[] column, int at, int count) {
    return column.length == 0
        ? Floats.EMPTY
        : new Floats(java.util.Arrays.copyOfRange(column, at, at + count));
  }

  private void check(List<Sequence> sequences, Set<Output> outputs) {
    if (outputs.contains(Output.VALUES) && !layout.hasValueHead()) {
      throw new EngineException("values were asked of a role without a value head");
    }
    int context = base.config().maxPositionEmbeddings() - virtual.length;
    int vocabulary = base.config().vocabSize();
    boolean next = outputs.contains(Output.LOGPROBS) || outputs.contains(Output.ENTROPIES);
    for (int i = 0; i < sequences.size(); i++) {
      Sequence sequence = sequences.get(i);
      int length = sequence.tokens().size();
      if (length == 0 || length > context) {
        throw new EngineException(
            "sequence "
                + i
                + " has "
                + length
                + " tokens; the model takes 1 to "
                + context
                + (virtual.length == 0 ? "" : " beside " + virtual.length + " virtual ones"));
      }
      int reads = sequence.reads().size();
      if (next && reads > 0 && sequence.reads().get(reads - 1) == length - 1) {
        throw new EngineException(
            "sequence " + i + " reads a log-probability after its last token, " + (length - 1));
      }
      for (int token : sequence.tokens().values()) {
        if (token < 0 || token >= vocabulary) {
          throw new EngineException(
              "sequence "
                  + i
                  + " has the token "
                  + token
                  + "; the model's vocabulary is 0 to "
                  + (vocabulary - 1));
        }
      }
    }
  }

  @Override
  public void close() {
    accumulation.close();
    adam.ifPresent(AdamState::close);
    allocation.ifPresent(RankAllocation::close);
    stepped.close();
    parameters.close();
    temperatureHandle.close();
    kernels.close();
  }
}
