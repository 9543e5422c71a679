package dev.troupe.actors.role;

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
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/** Engines that do sums instead of a model, and write down what they were asked. */
public final class FakeEngines implements RoleEngine.Factory {
  /** What the engines were asked, in order, with the thread's name: "generate@role-policy". */
  public final BlockingQueue<String> calls = new LinkedBlockingQueue<>();

  /** So many that they travel in three parts. */
  public static final int PARAMETERS = (2 << 20) + 1;

  private final Supplier<RuntimeException> loading;
  private volatile CompletableFuture<Void> gate = CompletableFuture.completedFuture(null);

  /** How far their work is; unknown at first. */
  public volatile OptionalLong progress = OptionalLong.empty();

  public FakeEngines() {
    this(() -> null);
  }

  /**
   * @param loading what goes wrong with a model's loading, or null
   */
  public FakeEngines(Supplier<RuntimeException> loading) {
    this.loading = loading;
  }

  /** Work from now on waits for what is returned. */
  public CompletableFuture<Void> hold() {
    gate = new CompletableFuture<>();
    return gate;
  }

  @Override
  public RoleEngine open(RoleSpec spec) {
    RuntimeException failure = loading.get();
    if (failure != null) {
      throw failure;
    }
    return new FakeEngine(spec);
  }

  @Override
  public void close() {}

  private final class FakeEngine implements RoleEngine {
    private final RoleSpec spec;
    private final AtomicLong version = new AtomicLong();
    private int accumulated;

    FakeEngine(RoleSpec spec) {
      this.spec = spec;
      note("load");
    }

    private void note(String call) {
      // Whoever sees the call and then holds does not mean this one.
      CompletableFuture<Void> now = gate;
      calls.add(call + "@" + Thread.currentThread().getName());
      now.join();
    }

    @Override
    public RoleSpec spec() {
      return spec;
    }

    @Override
    public long adapterVersion() {
      return version.get();
    }

    @Override
    public Rollout stream(Prompt prompt, SamplingSettings settings, Consumer<String> listener) {
      Rollout rollout = generate(List.of(prompt), settings).get(0);
      listener.accept(rollout.text());
      return rollout;
    }

    @Override
    public List<Rollout> generate(List<Prompt> prompts, int answers, SamplingSettings settings) {
      note("generate");
      return prompts.stream()
          .flatMap(prompt -> IntStream.range(0, answers).mapToObj(i -> answer(prompt, i, settings)))
          .toList();
    }

    private Rollout answer(Prompt prompt, int number, SamplingSettings settings) {
      return new Rollout(
          prompt,
          TokenIds.of(prompt.tokens().size(), (int) settings.seed(), number),
          "said to " + prompt.text(),
          Floats.of((float) -version.get(), -0.25f, -number),
          FinishReason.EOS,
          version.get());
    }

    @Override
    public List<TokenOutputs> evaluate(List<Sequence> sequences, Set<Output> outputs) {
      note("evaluate");
      if (sequences.isEmpty()) {
        throw new IllegalStateException("nothing to evaluate");
      }
      return sequences.stream()
          .map(
              sequence -> {
                float[] sums = new float[sequence.reads().size()];
                for (int i = 0; i < sums.length; i++) {
                  sums[i] = sequence.tokens().get(sequence.reads().get(i)) + version.get();
                }
                Floats numbers = new Floats(sums);
                return new TokenOutputs(
                    outputs.contains(Output.LOGPROBS) ? numbers : Floats.EMPTY,
                    outputs.contains(Output.ENTROPIES) ? numbers : Floats.EMPTY,
                    outputs.contains(Output.VALUES) ? numbers : Floats.EMPTY);
              })
          .toList();
    }

    @Override
    public <E extends Example> Accumulated accumulate(
        Objective<E> objective, List<E> examples, BatchTotals totals) {
      note("accumulate");
      accumulated++;
      return new Accumulated(examples.size(), Map.of("examples", (double) totals.examples()));
    }

    @Override
    public StepResult step(Optional<StepSettings> settings) {
      note("step");
      if (accumulated == 0) {
        throw new IllegalStateException("nothing accumulated");
      }
      accumulated = 0;
      double rate = settings.map(StepSettings::learningRate).orElse(1e-3);
      return new StepResult(1, rate, true, version.incrementAndGet());
    }

    @Override
    public Floats parameters() {
      note("parameters");
      return new Floats(new float[PARAMETERS]);
    }

    @Override
    public void take(List<Floats> parameters, long taken) {
      note("take " + parameters.stream().mapToInt(Floats::size).sum());
      version.set(taken);
    }

    @Override
    public void save(Path directory) {
      note("save " + directory);
    }

    @Override
    public void checkpoint(Path directory) {
      note("checkpoint " + directory);
    }

    @Override
    public void restore(Path directory) {
      note("restore " + directory);
    }

    @Override
    public OptionalLong progress() {
      return progress;
    }

    @Override
    public Map<String, Long> memoryBytes() {
      return Map.of("base", 100 + version.get());
    }

    @Override
    public Map<String, Double> phaseSeconds() {
      return Map.of("train", (double) version.get());
    }

    @Override
    public void close() {
      calls.add("close@" + Thread.currentThread().getName());
    }
  }
}
