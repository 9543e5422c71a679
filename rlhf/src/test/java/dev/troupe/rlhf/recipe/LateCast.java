package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Part;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.StepSettings;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.rlhf.port.Cast;
import dev.troupe.rlhf.port.Role;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Roles as rollout nodes make them: prompts are answered by the weights of when they are asked, and
 * the parts of the answers come later, on another thread and in an order drawn at random.
 */
final class LateCast implements Cast, AutoCloseable {
  private final Cast roles;
  private final Random random;
  private final ExecutorService others =
      Executors.newSingleThreadExecutor(
          task -> {
            Thread thread = new Thread(task, "others");
            thread.setDaemon(true);
            return thread;
          });

  LateCast(Cast roles, long seed) {
    this.roles = roles;
    random = new Random(seed);
  }

  @Override
  public CompletionStage<Role> open(RoleSpec spec) {
    return roles.open(spec).thenApply(Late::new);
  }

  @Override
  public void close() {
    others.shutdown();
  }

  private final class Late implements Role {
    private final Role role;

    Late(Role role) {
      this.role = role;
    }

    @Override
    public RoleSpec spec() {
      return role.spec();
    }

    @Override
    public CompletionStage<List<List<Rollout>>> sample(
        List<Prompt> prompts, int answers, SamplingSettings settings) {
      return role.sample(prompts, answers, settings);
    }

    @Override
    public List<CompletionStage<List<List<Rollout>>>> sampleInParts(
        List<Prompt> prompts, int answers, SamplingSettings settings) {
      List<List<Rollout>> all = Await.on(role.sample(prompts, answers, settings));
      List<CompletableFuture<List<List<Rollout>>>> parts = new ArrayList<>();
      List<Runnable> coming = new ArrayList<>();
      for (Part part : Part.of(prompts.size(), answers)) {
        CompletableFuture<List<List<Rollout>>> answered = new CompletableFuture<>();
        parts.add(answered);
        coming.add(() -> answered.complete(part.prompts(all)));
      }
      Collections.shuffle(coming, random);
      coming.forEach(others::execute);
      return List.copyOf(parts);
    }

    @Override
    public CompletionStage<List<TokenOutputs>> evaluate(
        List<Sequence> sequences, Set<Output> outputs) {
      return role.evaluate(sequences, outputs);
    }

    @Override
    public <E extends Example> CompletionStage<Accumulated> accumulate(
        Objective<E> objective, List<E> examples, BatchTotals totals) {
      return role.accumulate(objective, examples, totals);
    }

    @Override
    public CompletionStage<StepResult> step(Optional<StepSettings> settings) {
      return role.step(settings);
    }

    @Override
    public CompletionStage<Void> save(String directory) {
      return role.save(directory);
    }

    @Override
    public CompletionStage<Void> checkpoint(String directory) {
      return role.checkpoint(directory);
    }

    @Override
    public CompletionStage<Void> restore(String directory) {
      return role.restore(directory);
    }

    @Override
    public CompletionStage<Void> close() {
      return role.close();
    }
  }
}
