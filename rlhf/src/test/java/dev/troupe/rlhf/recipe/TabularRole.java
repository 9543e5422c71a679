package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.StepSettings;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.rlhf.port.Role;
import dev.troupe.rlhf.port.Sampler;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * A role small enough to be exact: a softmax table over (last token, next token), and a value that
 * is the sum of a weight per token seen so far. Trained by plain gradient descent.
 */
final class TabularRole implements Role {
  static final int VOCABULARY = 6;
  static final int END = 0;

  /** Logits (V, V), then the value's weights (V). */
  private final double[] parameters = new double[VOCABULARY * (VOCABULARY + 1)];

  private final RoleSpec spec;
  private final Map<String, double[]> disk;
  private final TabularCast.Faults faults;
  private final List<Objective<?>> objectives;
  private final double[] gradient = new double[parameters.length];
  private boolean accumulated;
  private long version;

  TabularRole(
      RoleSpec spec,
      Map<String, double[]> disk,
      TabularCast.Faults faults,
      List<Objective<?>> objectives) {
    this.spec = spec;
    this.disk = disk;
    this.faults = faults;
    this.objectives = objectives;
    spec.adapter().ifPresent(this::load);
  }

  @Override
  public RoleSpec spec() {
    return spec;
  }

  @Override
  public CompletionStage<List<List<Rollout>>> sample(
      List<Prompt> prompts, int answers, SamplingSettings settings) {
    List<Rollout> rollouts = new ArrayList<>();
    for (int number = 0; number < prompts.size() * answers; number++) {
      Prompt prompt = prompts.get(number / answers);
      if (faults.emptyReplies().contains(prompt.id())) {
        rollouts.add(
            new Rollout(prompt, TokenIds.EMPTY, "", Floats.EMPTY, FinishReason.STOP, version));
        continue;
      }
      SplittableRandom random =
          new SplittableRandom(
              settings.seed() * 31 + prompt.id().hashCode() + 1_000_003L * (number % answers));
      List<Integer> tokens = new ArrayList<>();
      List<Double> logprobs = new ArrayList<>();
      int last = prompt.tokens().get(prompt.tokens().size() - 1);
      FinishReason finish = FinishReason.LENGTH;
      while (tokens.size() < settings.maxNewTokens()) {
        double[] p = distribution(last, spec.numerics().samplesAsItTrains() ? 0 : 0.2);
        double left = random.nextDouble();
        int next = 0;
        while (next < VOCABULARY - 1 && left >= p[next]) {
          left -= p[next++];
        }
        tokens.add(next);
        logprobs.add(Math.log(p[next]));
        last = next;
        if (next == END) {
          finish = FinishReason.EOS;
          break;
        }
      }
      float[] floats = new float[logprobs.size()];
      for (int i = 0; i < floats.length; i++) {
        floats[i] = logprobs.get(i).floatValue();
      }
      int[] ids = tokens.stream().mapToInt(Integer::intValue).toArray();
      rollouts.add(
          new Rollout(
              prompt, new TokenIds(ids), tokens.toString(), new Floats(floats), finish, version));
    }
    return CompletableFuture.completedFuture(Sampler.grouped(prompts, answers, rollouts));
  }

  @Override
  public CompletionStage<List<TokenOutputs>> evaluate(
      List<Sequence> sequences, Set<Output> outputs) {
    return CompletableFuture.completedFuture(
        sequences.stream().map(sequence -> outputs(sequence, outputs)).toList());
  }

  @Override
  public <E extends Example> CompletionStage<Accumulated> accumulate(
      Objective<E> objective, List<E> examples, BatchTotals totals) {
    objectives.add(objective);
    List<List<TokenOutputs>> outputs =
        examples.stream()
            .map(e -> e.sequences().stream().map(s -> outputs(s, objective.needs())).toList())
            .toList();
    LossGradient result = objective.evaluate(examples, outputs, totals);
    for (int i = 0; i < examples.size(); i++) {
      for (int s = 0; s < examples.get(i).sequences().size(); s++) {
        if (faults.hasGradient(spec.name())) {
          backward(examples.get(i).sequences().get(s), result.gradients().get(i).get(s), gradient);
        }
      }
    }
    accumulated = true;
    return CompletableFuture.completedFuture(new Accumulated(result.loss(), result.metrics()));
  }

  @Override
  public CompletionStage<StepResult> step(Optional<StepSettings> settings) {
    if (!accumulated) {
      throw new IllegalStateException("nothing was accumulated");
    }
    boolean applied = !faults.nextUpdateFails(spec.name());
    double norm = applied ? Math.sqrt(Arrays.stream(gradient).map(g -> g * g).sum()) : Double.NaN;
    double rate =
        settings.orElseGet(() -> spec.optimizer().orElseThrow().at(version)).learningRate();
    if (applied) {
      for (int i = 0; i < gradient.length; i++) {
        parameters[i] -= rate * gradient[i];
      }
      version++;
    }
    Arrays.fill(gradient, 0);
    accumulated = false;
    return CompletableFuture.completedFuture(new StepResult(norm, rate, applied, version));
  }

  @Override
  public CompletionStage<Void> save(String directory) {
    disk.put(directory, parameters.clone());
    return CompletableFuture.completedFuture(null);
  }

  @Override
  public CompletionStage<Void> checkpoint(String directory) {
    double[] all = Arrays.copyOf(parameters, parameters.length + 1);
    all[parameters.length] = version;
    disk.put(directory, all);
    return CompletableFuture.completedFuture(null);
  }

  @Override
  public CompletionStage<Void> restore(String directory) {
    load(directory);
    version = (long) disk.get(directory)[parameters.length];
    return CompletableFuture.completedFuture(null);
  }

  @Override
  public CompletionStage<Void> close() {
    return CompletableFuture.completedFuture(null);
  }

  private void load(String directory) {
    System.arraycopy(disk.get(directory), 0, parameters, 0, parameters.length);
  }

  private double[] distribution(int last) {
    return distribution(last, 0);
  }

  /** Of a sampler in other numbers: later tokens come more often than they should. */
  private double[] distribution(int last, double skew) {
    double[] p = new double[VOCABULARY];
    double sum = 0;
    for (int v = 0; v < VOCABULARY; v++) {
      p[v] = Math.exp(parameters[last * VOCABULARY + v] + skew * v);
      sum += p[v];
    }
    for (int v = 0; v < VOCABULARY; v++) {
      p[v] /= sum;
    }
    return p;
  }

  private TokenOutputs outputs(Sequence sequence, Set<Output> wanted) {
    int n = sequence.reads().size();
    float[] logprobs = new float[wanted.contains(Output.LOGPROBS) ? n : 0];
    float[] values = new float[wanted.contains(Output.VALUES) ? n : 0];
    for (int i = 0; i < n; i++) {
      int read = sequence.reads().get(i);
      if (logprobs.length > 0) {
        double[] p = distribution(sequence.tokens().get(read));
        logprobs[i] = (float) Math.log(p[sequence.tokens().get(read + 1)]);
      }
      if (values.length > 0) {
        double value = 0;
        for (int t = 0; t <= read; t++) {
          value += parameters[VOCABULARY * VOCABULARY + sequence.tokens().get(t)];
        }
        values[i] = faults.scoresAreNaN(spec.name(), sequence) ? Float.NaN : (float) value;
      }
    }
    return new TokenOutputs(new Floats(logprobs), Floats.EMPTY, new Floats(values));
  }

  private void backward(Sequence sequence, TokenGradients gradients, double[] into) {
    for (int i = 0; i < sequence.reads().size(); i++) {
      int read = sequence.reads().get(i);
      int last = sequence.tokens().get(read);
      if (gradients.logprobs().size() > 0) {
        double[] p = distribution(last);
        int next = sequence.tokens().get(read + 1);
        for (int v = 0; v < VOCABULARY; v++) {
          into[last * VOCABULARY + v] += gradients.logprobs().get(i) * ((v == next ? 1 : 0) - p[v]);
        }
      }
      if (gradients.values().size() > 0) {
        for (int t = 0; t <= read; t++) {
          into[VOCABULARY * VOCABULARY + sequence.tokens().get(t)] += gradients.values().get(i);
        }
      }
    }
  }
}
