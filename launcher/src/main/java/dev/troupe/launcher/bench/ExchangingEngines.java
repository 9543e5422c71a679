package dev.troupe.launcher.bench;

import dev.troupe.engine.RoleEngine;
import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.PartialSums;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.Span;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.StepSettings;
import dev.troupe.protocol.data.TokenOutputs;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Engines that have a gradient at once, of one micro-batch for each replica, and exchange it: what
 * is left of a step is the exchange.
 */
public final class ExchangingEngines implements RoleEngine.Factory {
  private final Floats gradient;

  /**
   * @param parameters that each trains
   */
  public ExchangingEngines(int parameters) {
    Random random = new Random(parameters);
    float[] drawn = new float[parameters];
    for (int i = 0; i < parameters; i++) {
      drawn[i] = random.nextFloat() - 0.5f;
    }
    gradient = new Floats(drawn);
  }

  @Override
  public RoleEngine open(RoleSpec spec) {
    return new Engine(spec, gradient);
  }

  @Override
  public void close() {}

  private record Engine(RoleSpec spec, Floats gradient) implements RoleEngine {
    @Override
    public long adapterVersion() {
      return 0;
    }

    @Override
    public <E extends Example> Accumulated accumulate(
        Objective<E> objective,
        List<E> examples,
        BatchTotals totals,
        Share share,
        Together together) {
      Span whole = new Span(0, share.of());
      Map<Span, PartialSums.Part> own = new HashMap<>();
      PartialSums.Part part = new PartialSums.Part(new Accumulated(0, Map.of()), gradient);
      share.of(whole).forEach(span -> own.put(span, part));
      PartialSums.Part sum = together.whole(new PartialSums(whole, gradient.size(), own));
      // Said by all, and compared: a sum that came out wrong anywhere fails the measurement.
      return new Accumulated(sum.gradient().get(gradient.size() - 1), Map.of());
    }

    @Override
    public String modelFingerprint() {
      return "none";
    }

    @Override
    public String parametersFingerprint() {
      return "none";
    }

    @Override
    public StepResult step(Optional<StepSettings> settings) {
      return new StepResult(1, 1, true, 0);
    }

    @Override
    public <E extends Example> Accumulated accumulate(
        Objective<E> objective, List<E> examples, BatchTotals totals) {
      throw alone();
    }

    @Override
    public List<Rollout> generate(List<Prompt> prompts, int answers, SamplingSettings settings) {
      throw alone();
    }

    @Override
    public Rollout stream(Prompt prompt, SamplingSettings settings, Consumer<String> listener) {
      throw alone();
    }

    @Override
    public List<TokenOutputs> evaluate(List<Sequence> sequences, Set<Output> outputs) {
      throw alone();
    }

    @Override
    public Floats parameters() {
      throw alone();
    }

    @Override
    public void take(List<Floats> parameters, long version) {
      throw alone();
    }

    @Override
    public void save(Path directory) {
      throw alone();
    }

    @Override
    public void checkpoint(Path directory) {
      throw alone();
    }

    @Override
    public void restore(Path directory) {
      throw alone();
    }

    private static UnsupportedOperationException alone() {
      return new UnsupportedOperationException("this engine exchanges, and does nothing else");
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
