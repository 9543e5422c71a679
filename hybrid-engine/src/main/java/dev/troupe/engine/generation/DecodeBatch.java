package dev.troupe.engine.generation;

import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.protocol.data.SamplingSettings;
import java.util.ArrayList;
import java.util.List;

/**
 * Prompts that are answered together, on one lane: a prefill, then one kernel call per token. Rows
 * that have ended leave when at most three quarters of the rows are still at work.
 */
final class DecodeBatch implements AutoCloseable {
  /** Tokens that go through the prefill at once; keeps every tensor small enough to be reused. */
  private static final long PREFILL_TOKENS = 2048;

  private final KernelModule kernels;
  private final Shadow shadow;
  private final SamplingSettings settings;
  private final int longestPrompt;
  private final int steps;
  private final Handle temperature;
  private final Handle topK;
  private final Handle topP;
  private List<Reply> rows;
  private Handle position;
  private Handle mask;
  private Handle cache;

  DecodeBatch(KernelModule kernels, Shadow shadow, SamplingSettings settings, List<Reply> rows) {
    this.kernels = kernels;
    this.shadow = shadow;
    this.settings = settings;
    this.rows = new ArrayList<>(rows);
    longestPrompt = longestPrompt(rows);
    steps = steps(rows);
    long[] lengths = rows.stream().mapToLong(row -> row.prompt().tokens().size()).toArray();
    temperature = Handle.of(settings.temperature());
    topK = Handle.of((long) settings.topK());
    topP = Handle.of(settings.topP());
    position = Handle.of(lengths, lengths.length);
    try (Handle batch = Handle.of((long) rows.size());
        Handle prompt = Handle.of((long) longestPrompt);
        Handle slots = Handle.of((long) longestPrompt + steps)) {
      mask = kernels.infer("pad_mask", position, prompt, slots);
      cache = kernels.infer("cache", batch, slots);
    }
  }

  private static int longestPrompt(List<Reply> rows) {
    return rows.stream().mapToInt(row -> row.prompt().tokens().size()).max().orElseThrow();
  }

  private static int steps(List<Reply> rows) {
    return rows.stream().mapToInt(Reply::limit).max().orElseThrow();
  }

  /** Cache slots that each row of a batch needs. */
  static int slots(List<Reply> rows) {
    return longestPrompt(rows) + steps(rows);
  }

  /** Answers all of them. */
  void run() {
    Handle token;
    try (Handle logits = prefill();
        Handle uniform = uniform();
        Handle picked = kernels.infer("pick", logits, uniform, temperature, topK, topP)) {
      token = take(picked);
    }
    int slot = longestPrompt;
    while (!rows.isEmpty()) {
      try (Handle last = compact(token);
          Handle prompt = Handle.of((long) longestPrompt);
          Handle at = Handle.of((long) slot);
          Handle uniform = uniform();
          Handle picked =
              kernels.infer(
                  "step",
                  last,
                  position,
                  prompt,
                  at,
                  mask,
                  uniform,
                  temperature,
                  topK,
                  topP,
                  shadow.frame(),
                  shadow.packed(),
                  cache)) {
        token = take(picked);
      }
      slot++;
    }
    token.close();
  }

  private Handle prefill() {
    long[] ids = new long[rows.size() * longestPrompt];
    for (int row = 0; row < rows.size(); row++) {
      int[] prompt = rows.get(row).prompt().tokens().values();
      for (int i = 0; i < prompt.length; i++) {
        ids[row * longestPrompt + i] = prompt[i];
      }
    }
    try (Handle tokens = Handle.of(ids, rows.size(), longestPrompt);
        Handle chunk = Handle.of(PREFILL_TOKENS)) {
      return kernels.infer(
          "prefill", tokens, position, chunk, shadow.frame(), shadow.packed(), cache);
    }
  }

  private Handle uniform() {
    float[] numbers = new float[rows.size()];
    if (settings.temperature() > 0) {
      for (int i = 0; i < numbers.length; i++) {
        // A row that has ended and not yet left draws no more, so its stream is its own.
        numbers[i] = rows.get(i).finished() ? 0 : rows.get(i).nextUniform();
      }
    }
    return Handle.of(numbers, numbers.length);
  }

  /**
   * Gives each row its token and returns the tensor of them; when all have ended, no row is left.
   */
  private Handle take(Handle picked) {
    Handle[] parts = picked.parts();
    try (Handle logprobs = parts[1]) {
      long[] tokens = parts[0].longs();
      float[] numbers = logprobs.floats();
      boolean any = false;
      for (int i = 0; i < tokens.length; i++) {
        Reply row = rows.get(i);
        if (!row.finished()) {
          row.add((int) tokens[i], numbers[i]);
          any |= !row.finished();
        }
      }
      if (!any) {
        rows = List.of();
      }
      return parts[0];
    } catch (RuntimeException e) {
      parts[0].close();
      throw e;
    }
  }

  /** Lets rows that have ended go, when it pays; returns the last tokens of those that stay. */
  private Handle compact(Handle token) {
    List<Reply> working = rows.stream().filter(row -> !row.finished()).toList();
    if (4 * working.size() > 3 * rows.size()) {
      return token;
    }
    long[] keep = new long[working.size()];
    int at = 0;
    for (int i = 0; i < rows.size(); i++) {
      if (!rows.get(i).finished()) {
        keep[at++] = i;
      }
    }
    rows = working;
    try (Handle old = token;
        Handle stay = Handle.of(keep, keep.length);
        Handle columns = Handle.ofTensors(List.of(old, position));
        Handle kept = kernels.infer("kept", stay, columns)) {
      cache = replace(cache, kernels.infer("kept", stay, cache));
      mask = replace(mask, kernels.infer("kept_mask", stay, mask));
      Handle[] parts = kept.parts();
      position = replace(position, parts[1]);
      return parts[0];
    }
  }

  private static Handle replace(Handle old, Handle now) {
    old.close();
    return now;
  }

  @Override
  public void close() {
    List.of(temperature, topK, topP, position, mask, cache).forEach(Handle::close);
  }
}
