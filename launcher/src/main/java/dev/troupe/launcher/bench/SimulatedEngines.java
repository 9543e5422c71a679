package dev.troupe.launcher.bench;

import dev.troupe.engine.RoleEngine;
import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.StepSettings;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/**
 * Engines that wait as long as a {@link CostModel} says in place of computing. What they answer is
 * well formed and means nothing: tokens at random, each response as long as it may be or as long as
 * {@link Lengths} say. They keep account of how long they were busy.
 */
public final class SimulatedEngines implements RoleEngine.Factory {
  /** Token ids are below it; the tokenizer of the run knows as many. */
  private static final int VOCABULARY = 256;

  private static final String TEXT = "abc ";

  /**
   * How long answers are, in tokens: log-normal, so that a few are much longer than most.
   *
   * @param deviation of the logarithm
   */
  public record Lengths(double median, double deviation) {
    /** As long as they may be. */
    public static final Lengths ALL = new Lengths(Double.MAX_VALUE, 0);

    int draw(long seed, int most) {
      double length = median * Math.exp(deviation * new Random(seed).nextGaussian());
      return (int) Math.max(1, Math.min(most, Math.rint(length)));
    }
  }

  private final CostModel cost;
  private final Lengths lengths;
  private final Map<String, DoubleAdder> busy = new ConcurrentHashMap<>();

  public SimulatedEngines(CostModel cost) {
    this(cost, Lengths.ALL);
  }

  public SimulatedEngines(CostModel cost, Lengths lengths) {
    this.cost = cost;
    this.lengths = lengths;
  }

  @Override
  public RoleEngine open(RoleSpec spec) {
    return new Engine(
        spec, cost, lengths, busy.computeIfAbsent(spec.name(), it -> new DoubleAdder()));
  }

  /** Seconds so far that engines had work for, by role. */
  public Map<String, Double> busySeconds() {
    Map<String, Double> seconds = new TreeMap<>();
    busy.forEach((role, sum) -> seconds.put(role, sum.sum()));
    return seconds;
  }

  @Override
  public void close() {}

  private static void park(double seconds) {
    long end = System.nanoTime() + (long) (seconds * 1e9);
    for (long left = end - System.nanoTime(); left > 0; left = end - System.nanoTime()) {
      LockSupport.parkNanos(left);
    }
  }

  private static long tokens(List<Sequence> sequences) {
    return sequences.stream().mapToLong(sequence -> sequence.tokens().size()).sum();
  }

  private static Floats filled(int size, float value) {
    float[] values = new float[size];
    Arrays.fill(values, value);
    return new Floats(values);
  }

  private static final class Engine implements RoleEngine {
    private final RoleSpec spec;
    private final CostModel cost;
    private final Lengths lengths;
    private final DoubleAdder busy;
    private long version;
    private long flipped = -1;

    Engine(RoleSpec spec, CostModel cost, Lengths lengths, DoubleAdder busy) {
      this.spec = spec;
      this.cost = cost;
      this.lengths = lengths;
      this.busy = busy;
    }

    private void spend(double seconds) {
      park(seconds);
      busy.add(seconds);
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
      if (flipped != version) {
        spend(cost.flip());
        flipped = version;
      }
      List<Rollout> rollouts =
          prompts.stream()
              .flatMap(
                  prompt -> IntStream.range(0, answers).mapToObj(i -> rollout(prompt, i, settings)))
              .toList();
      spend(cost.generate(rollouts.stream().mapToInt(Rollout::length).toArray()));
      return rollouts;
    }

    @Override
    public boolean samplesByRow() {
      return true;
    }

    private Rollout rollout(Prompt prompt, int answer, SamplingSettings settings) {
      String id = answer == 0 ? prompt.id() : prompt.id() + "#" + answer;
      SplittableRandom random = new SplittableRandom(settings.seed() ^ id.hashCode());
      int size = lengths.draw(random.nextLong(), settings.maxNewTokens());
      return new Rollout(
          prompt,
          new TokenIds(random.ints(size, 0, VOCABULARY).toArray()),
          TEXT.repeat(size),
          filled(size, -1),
          size < settings.maxNewTokens() ? FinishReason.EOS : FinishReason.LENGTH,
          version);
    }

    @Override
    public Rollout stream(Prompt prompt, SamplingSettings settings, Consumer<String> listener) {
      Rollout rollout = generate(List.of(prompt), settings).get(0);
      listener.accept(rollout.text());
      return rollout;
    }

    @Override
    public List<TokenOutputs> evaluate(List<Sequence> sequences, Set<Output> outputs) {
      spend(cost.score(tokens(sequences)));
      return sequences.stream().map(sequence -> said(sequence, outputs)).toList();
    }

    private static TokenOutputs said(Sequence sequence, Set<Output> outputs) {
      int reads = sequence.reads().size();
      return new TokenOutputs(
          outputs.contains(Output.LOGPROBS) ? filled(reads, -1) : Floats.EMPTY,
          outputs.contains(Output.ENTROPIES) ? filled(reads, 1) : Floats.EMPTY,
          outputs.contains(Output.VALUES) ? filled(reads, 0) : Floats.EMPTY);
    }

    @Override
    public <E extends Example> Accumulated accumulate(
        Objective<E> objective, List<E> examples, BatchTotals totals) {
      spend(cost.train(examples.stream().mapToLong(example -> tokens(example.sequences())).sum()));
      return new Accumulated(0, Map.of());
    }

    @Override
    public StepResult step(Optional<StepSettings> settings) {
      version++;
      // A gradient and a rate, since a stage that has none fails.
      return new StepResult(1, 1, true, version);
    }

    @Override
    public Floats parameters() {
      return new Floats(new float[cost.parameters()]);
    }

    @Override
    public void take(List<Floats> parameters, long taken) {
      version = taken;
    }

    @Override
    public void save(Path directory) {
      try {
        Files.createDirectories(directory);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public void checkpoint(Path directory) {
      save(directory);
    }

    @Override
    public void restore(Path directory) {
      throw new IllegalStateException("a simulated engine has nothing to go on from");
    }

    @Override
    public Map<String, Long> memoryBytes() {
      return Map.of();
    }

    @Override
    public Map<String, Double> phaseSeconds() {
      return Map.of();
    }

    @Override
    public void close() {}
  }
}
