package dev.troupe.launcher;

import dev.troupe.engine.HybridEngines;
import dev.troupe.engine.generation.Generator;
import dev.troupe.models.torch.Device;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Shards;
import dev.troupe.rlhf.recipe.OptimizerConfig;
import dev.troupe.rlhf.recipe.TuningConfig;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * An estimate of the memory that a run takes, by phase, role and purpose, in bytes. It is made from
 * the model's config.json and the configuration alone, before any weight is read. Within a phase
 * everything is counted as if it were there at once, but the activations of one role after another,
 * as roles take turns on the lanes.
 *
 * @param device where the tensors lie
 * @param heapBytes what the JVM touches of its heap, its own code and compiled kernels, where that
 *     is the device's memory too, else 0
 */
record MemoryPlan(List<Item> items, Device device, long heapBytes) {
  private static final long FLOAT = 4;

  /** Copies that a loss makes of the logits in hand. */
  private static final long LOGIT_COPIES = 4;

  private static final String ACTIVATIONS = "activations";

  /** libtorch itself, as far as its code and buffers are touched. */
  private static final long LIBRARY = 140L << 20;

  /** The same of CUDA's context and libraries. */
  private static final long CUDA_LIBRARY = 300L << 20;

  /** Of each of a tokenizer's tokens. */
  private static final long TOKENIZER_BYTES = 4700;

  /**
   * Copies on the heap of what a replica gives and gets in an exchange, as long as the collector
   * lets them lie: its part of the gradient, the parameters that it gathers, and those whose hash
   * is compared.
   */
  private static final long COPIES = 3;

  /** Of AdamW, beside parameters and gradients. */
  private static final long MOMENTS = 2;

  /**
   * One claim on memory.
   *
   * @param phase such as "ppo train"
   * @param role policy, critic, reward, reference, or all for what they share
   * @param purpose base, adapter, optimizer, shadow, kv-cache, activations
   */
  record Item(String phase, String role, String purpose, long bytes) {}

  /** Collects the claims of one run. */
  static final class Builder {
    private final List<Item> items = new ArrayList<>();
    private final ModelSize model;
    private final Numerics numerics;
    private final int lanes;

    /**
     * @param lanes threads that train side by side
     */
    Builder(ModelSize model, Numerics numerics, int lanes) {
      this.model = model;
      this.numerics = numerics;
      this.lanes = lanes;
    }

    /** The frozen base, once for all roles that do not have weights of their own. */
    Builder base(String phase) {
      return add(phase, "all", "base", model.baseBytes(numerics));
    }

    /** A model beside it, of roles that do not stand on the run's own. */
    Builder otherBase(String phase, String role, ModelSize other) {
      return add(phase, role, "base", other.baseBytes(numerics));
    }

    /**
     * The tokenizer: words, merges and their tables, here and in the native library. Measured: 1.2
     * GiB for the 262,144 tokens of Gemma 3.
     */
    Builder tokenizer(String phase) {
      return add(phase, "all", "tokenizer", model.config().vocabSize() * TOKENIZER_BYTES);
    }

    /** The merged weights of a role that has sampled and will again. */
    Builder shadow(String phase, String role) {
      return add(phase, role, "shadow", model.shadowBytes(numerics));
    }

    /** The same of one that is scored by the operators that sample, where it is. */
    Builder scoredExactly(String phase, String role) {
      return numerics.exact() ? shadow(phase, role) : this;
    }

    /** A role's adapter or own weights, not trained in this phase. */
    Builder loaded(String phase, String role, TuningConfig tuning) {
      return add(phase, role, purpose(tuning), model.ownParameters(tuning) * FLOAT);
    }

    /**
     * What training needs beside the trained parameters themselves.
     *
     * @param sequences of one optimiser step
     * @param longest tokens that each may have
     */
    Builder trained(
        String phase,
        String role,
        TuningConfig tuning,
        OptimizerConfig optimizer,
        long sequences,
        long longest) {
      long batches = model.mostMicroBatches(optimizer, numerics, sequences, longest);
      long parameters = ownParameters(tuning);
      add(phase, role, purpose(tuning), parameters * FLOAT);
      add(phase, role, "optimizer", parameters * FLOAT * (MOMENTS + gradients(batches)));
      return computed(phase, role, optimizer, sequences, longest);
    }

    /**
     * The same of one of several replicas, which has a share of the micro-batches and a shard of
     * the optimiser's state: whole gradients are there until they are exchanged, on the heap as
     * well.
     *
     * @param replicas how many there are
     */
    Builder trainedInShards(
        String phase,
        String role,
        TuningConfig tuning,
        OptimizerConfig optimizer,
        long sequences,
        long longest,
        int replicas) {
      long batches = model.mostMicroBatches(optimizer, numerics, sequences, longest);
      long share = (batches + replicas - 1) / replicas;
      long parameters = ownParameters(tuning);
      add(phase, role, purpose(tuning), parameters * FLOAT);
      add(phase, role, "optimizer", shard(parameters, replicas) * FLOAT * (MOMENTS + 1));
      add(phase, role, "gradients", parameters * FLOAT * gradients(share));
      add(phase, role, "exchange", parameters * FLOAT * COPIES);
      return computed(phase, role, optimizer, sequences / replicas, longest);
    }

    private long gradients(long batches) {
      return HybridEngines.gradients(Math.toIntExact(batches), lanes);
    }

    private long ownParameters(TuningConfig tuning) {
      return model.ownParameters(tuning) + model.config().hiddenSize();
    }

    private static long shard(long parameters, int replicas) {
      return IntStream.of(new Shards(Math.toIntExact(parameters), replicas).numbersByRank())
          .max()
          .orElseThrow();
    }

    private Builder computed(
        String phase, String role, OptimizerConfig optimizer, long sequences, long longest) {
      long micro = model.microBatchTokens(optimizer, numerics);
      // A longer text goes by itself.
      long together = Math.min(sequences * longest, Math.max(micro, longest) * lanes);
      long kept = optimizer.recompute() ? 0 : lanes * model.keptLogitNumbers(together / lanes);
      return activations(
          phase,
          role,
          together * model.activationNumbersPerToken(longest, optimizer.recompute())
              + kept
              + lanes * model.numbersOutOfBlocks(numerics));
    }

    /** Merged weights and the cache of keys and values, of at most {@code rows} at once. */
    Builder generating(String phase, String role, long rows, long tokensPerRow) {
      shadow(phase, role);
      long together = Math.min(rows, (long) Generator.MOST_ROWS * lanes);
      long tokens = together * Math.min(tokensPerRow, model.contextLength());
      long cache = tokens * model.cacheNumbersPerToken() * HybridEngines.cacheBytes(numerics);
      return add(
          phase, role, "kv-cache", Math.min(cache, Generator.Options.defaults().cacheBytes()));
    }

    private static String purpose(TuningConfig tuning) {
      return tuning instanceof TuningConfig.Full ? "weights" : "adapter";
    }

    private Builder activations(String phase, String role, long numbers) {
      long logits = LOGIT_COPIES * lanes * model.logitNumbers();
      return add(phase, role, ACTIVATIONS, (numbers + logits) * FLOAT);
    }

    private Builder add(String phase, String role, String purpose, long bytes) {
      items.add(new Item(phase, role, purpose, bytes));
      return this;
    }

    MemoryPlan build(Device device, long heapBytes) {
      return new MemoryPlan(List.copyOf(items), device, device.isCuda() ? 0 : heapBytes);
    }
  }

  /** The optimiser's state, and the gradient of the step, of so many trained parameters. */
  static long stateBytes(long parameters) {
    return parameters * FLOAT * (MOMENTS + 1);
  }

  /** Bytes by phase, in the run's order, the heap not counted. */
  Map<String, Long> byPhase() {
    Map<String, Long> phases = new LinkedHashMap<>();
    items.stream()
        .map(Item::phase)
        .distinct()
        .forEach(
            phase ->
                phases.put(
                    phase, byPurpose(phase).values().stream().mapToLong(Long::longValue).sum()));
    return phases;
  }

  private Map<String, Long> byPurpose(String phase) {
    Map<String, Long> purposes = new TreeMap<>();
    items.stream()
        .filter(item -> item.phase().equals(phase))
        .forEach(
            item ->
                purposes.merge(
                    item.purpose(),
                    item.bytes(),
                    item.purpose().equals(ACTIVATIONS) ? Math::max : Long::sum));
    return purposes;
  }

  /** The phase that takes the most. */
  Optional<Map.Entry<String, Long>> peak() {
    return byPhase().entrySet().stream().max(Map.Entry.comparingByValue());
  }

  /** What must be available. */
  long neededBytes() {
    return peak().map(Map.Entry::getValue).orElse(0L)
        + heapBytes
        + (device.isCuda() ? CUDA_LIBRARY : LIBRARY);
  }

  /** Refuses what cannot fit. */
  void check(long availableBytes) {
    if (neededBytes() <= availableBytes) {
      return;
    }
    String phase = peak().map(Map.Entry::getKey).orElse("");
    Item largest =
        items.stream()
            .filter(item -> item.phase().equals(phase))
            .max(Comparator.comparingLong(Item::bytes))
            .orElseThrow();
    throw new UserException(
        String.format(
            Locale.ROOT,
            "too little memory%s: '%s' needs %s%s, %s are available. The largest item is %s of %s, %s. %s",
            device.isCuda() ? " on " + device : "",
            phase,
            MachineMemory.readable(neededBytes()),
            device.isCuda()
                ? ""
                : String.format(
                    Locale.ROOT, " (%s of it the JVM's heap)", MachineMemory.readable(heapBytes)),
            MachineMemory.readable(availableBytes),
            largest.purpose(),
            largest.role().equals("all") ? "all roles" : "the " + largest.role(),
            MachineMemory.readable(largest.bytes()),
            advice(largest)));
  }

  private static String advice(Item largest) {
    return switch (largest.purpose()) {
      case ACTIVATIONS ->
          "Set optimizer.recompute = true, or optimizer.micro-batch-tokens lower (512, say), or use a smaller model.";
      case "kv-cache" ->
          "Lower ppo.prompts-per-iteration, ppo.generation.max-new-tokens or data.max-prompt-tokens.";
      case "optimizer", "weights", "adapter", "gradients", "exchange" ->
          "Train an adapter instead of every weight (tuning.type = lora), with a lower rank, or use a smaller model.";
      default -> "Use a smaller model, or a machine with more memory.";
    };
  }

  /** One line: the peak, where it is, and what there is. */
  String summary(OptionalLong availableBytes) {
    return "about "
        + MachineMemory.readable(neededBytes())
        + peak().map(phase -> " at the peak (" + phase.getKey() + ")").orElse("")
        + (device.isCuda() ? " on " + device : "")
        + (availableBytes.isPresent()
            ? "; " + MachineMemory.readable(availableBytes.getAsLong()) + " are available"
            : "");
  }

  /**
   * A table for a person: one line per phase, a column per purpose.
   *
   * @param availableBytes nothing where it cannot be known here
   */
  String text(OptionalLong availableBytes) {
    List<String> purposes = items.stream().map(Item::purpose).distinct().toList();
    StringBuilder text = new StringBuilder("memory plan (estimate)\n");
    text.append(String.format(Locale.ROOT, "  %-16s", "phase"));
    purposes.forEach(purpose -> text.append(String.format(Locale.ROOT, "%12s", purpose)));
    text.append(String.format(Locale.ROOT, "%12s%n", "together"));
    byPhase()
        .forEach(
            (phase, total) -> {
              Map<String, Long> byPurpose = byPurpose(phase);
              text.append(String.format(Locale.ROOT, "  %-16s", phase));
              purposes.forEach(
                  purpose ->
                      text.append(
                          String.format(
                              Locale.ROOT,
                              "%12s",
                              byPurpose.containsKey(purpose)
                                  ? MachineMemory.readable(byPurpose.get(purpose))
                                  : "")));
              text.append(String.format(Locale.ROOT, "%12s%n", MachineMemory.readable(total)));
            });
    text.append(
        String.format(
            Locale.ROOT,
            "  with %slibtorch the run needs %s",
            device.isCuda()
                ? ""
                : String.format(
                    Locale.ROOT, "the JVM's heap (%s) and ", MachineMemory.readable(heapBytes)),
            MachineMemory.readable(neededBytes())));
    if (device.isCuda()) {
      text.append(" on ")
          .append(availableBytes.isPresent() ? device : "a CUDA device of the hosts");
    }
    availableBytes.ifPresent(
        bytes ->
            text.append(
                String.format(Locale.ROOT, "; %s are available", MachineMemory.readable(bytes))));
    return text.toString();
  }
}
