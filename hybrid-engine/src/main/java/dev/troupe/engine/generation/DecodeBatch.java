package dev.troupe.engine.generation;

import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Team;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.TokenIds;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * Prompts that are answered together, by one team of lanes: a prefill, then one kernel call per
 * token. Where there are more prompts than rows, those that wait take the rows that have ended
 * (continuous batching: Yu et al., Orca, OSDI 2022); when none waits, rows that have ended leave.
 * Equal prompts that enter together go through the prefill once.
 */
final class DecodeBatch implements AutoCloseable {
  /** Tokens that go through the prefill at once; keeps every tensor small enough to be reused. */
  private static final long PREFILL_TOKENS = 2048;

  /** Prompts that wait enter when this share of the rows is free: a prefill of few is dear. */
  private static final int ENTER_SHARE = 8;

  private final Team team;
  private final KernelModule kernels;
  private final Shadow shadow;
  private final SamplingSettings settings;
  private final Deque<Reply> waiting;
  private final int slots;
  private final int readAgainAt;
  private final Handle temperature;
  private final Handle topK;
  private final Handle topP;
  private Handle cache;

  // Of each row.
  private @Nullable Reply[] rows;
  private long[] tokens;
  private long[] starts;
  private Handle start;

  /** What a row entered with: the same number for those that entered together with one prompt. */
  private long[] groups;

  private long lastGroup;

  /** Rows whose keys of a prompt others read, see {@link #sources()}. */
  private Handle sources;

  /** Hides what is before a row's start. */
  private Handle mask;

  /** Where the next token of every row goes. */
  private int slot;

  private int prefilled;
  private int shifts;

  /**
   * @param team led by this thread
   * @param capacity rows at a time, at most as many as there are replies
   * @param readAgainAt tokens beyond which a text that began within them is read again; 0 for none
   */
  DecodeBatch(
      Team team,
      KernelModule kernels,
      Shadow shadow,
      SamplingSettings settings,
      List<Reply> replies,
      int capacity,
      int readAgainAt) {
    this.team = team;
    this.kernels = kernels;
    this.shadow = shadow;
    this.settings = settings;
    this.readAgainAt = readAgainAt;
    waiting = new ArrayDeque<>(replies);
    slots = slots(replies, capacity < replies.size());
    temperature = Handle.of(settings.temperature());
    topK = Handle.of((long) settings.topK());
    topP = Handle.of(settings.topP());
    rows = new Reply[capacity];
    tokens = new long[capacity];
    starts = new long[capacity];
    start = Handle.of(starts, capacity);
    groups = new long[capacity];
    sources = sources();
    try (Handle batch = Handle.of((long) capacity);
        Handle length = Handle.of((long) slots)) {
      cache = kernels.infer("cache", batch, length, start);
    }
    mask = startMask(0);
    slot = longestPrompt(replies);
  }

  private static int longestPrompt(Collection<Reply> replies) {
    return replies.stream().mapToInt(row -> row.start().size()).max().orElse(0);
  }

  private static int longestText(List<TokenIds> texts) {
    return texts.stream().mapToInt(TokenIds::size).max().orElse(0);
  }

  /**
   * Slots of the cache that each row needs: for the longest prompt and response.
   *
   * @param later whether rows enter later: half a response more, so that the cache is seldom
   *     shifted
   */
  static int slots(List<Reply> replies, boolean later) {
    int steps = replies.stream().mapToInt(Reply::limit).max().orElseThrow();
    return longestPrompt(replies) + steps + (later ? (steps + 1) / 2 : 0);
  }

  /** Answers all of them. */
  void run() {
    while (true) {
      int[] free = rows(false);
      if (!waiting.isEmpty() && ENTER_SHARE * free.length >= rows.length) {
        enter(free);
        continue;
      }
      int[] working = rows(true);
      if (working.length == 0) {
        return;
      }
      if (4 * working.length <= 3 * rows.length) {
        compact(working);
      }
      if (slot == slots) {
        shift();
      }
      readAgain(rows(true));
      step();
    }
  }

  /** The places of rows that are at work, or of those that are not. */
  private int[] rows(boolean working) {
    return IntStream.range(0, rows.length).filter(i -> isWorking(i) == working).toArray();
  }

  private boolean isWorking(int row) {
    Reply reply = rows[row];
    return reply != null && !reply.finished();
  }

  /** The first slot that a row at work looks at. */
  private int first() {
    return IntStream.of(rows(true)).map(i -> (int) starts[i]).min().orElse(slot);
  }

  /** Prompts that wait take free rows, and get their first tokens. */
  private void enter(int[] free) {
    if (free.length == rows.length) {
      slot = longestPrompt(waiting);
      // Rows that none enters still go through every step, and none may begin behind its slot.
      Arrays.fill(starts, slot);
    }
    int count = Math.min(free.length, waiting.size());
    Map<TokenIds, List<Integer>> entering = new LinkedHashMap<>();
    Map<TokenIds, Long> numbers = new HashMap<>();
    for (int i = 0; i < count; i++) {
      Reply next = waiting.remove();
      TokenIds prompt = next.start();
      rows[free[i]] = next;
      starts[free[i]] = (long) slot - prompt.size();
      entering.computeIfAbsent(prompt, key -> new ArrayList<>()).add(free[i]);
      groups[free[i]] = numbers.computeIfAbsent(prompt, key -> ++lastGroup);
    }
    prefilled += entering.size();
    moved();
    List<TokenIds> prompts = List.copyOf(entering.keySet());
    int pieces = pieces(prompts);
    team.map(
        pieces,
        piece -> {
          List<TokenIds> some =
              prompts.subList(
                  prompts.size() * piece / pieces, prompts.size() * (piece + 1) / pieces);
          begin(some, some.stream().map(entering::get).toList());
          return piece;
        });
  }

  /** In how many pieces prompts go through the prefill: one for a lane, or as many for each. */
  private int pieces(List<TokenIds> prompts) {
    int lanes = team.lanes();
    long tokens = (long) prompts.size() * longestText(prompts);
    long each = (tokens + lanes * PREFILL_TOKENS - 1) / (lanes * PREFILL_TOKENS);
    return (int) Math.min(prompts.size(), lanes == 1 ? 1 : lanes * each);
  }

  /** Prompts go through the prefill; their rows get their first tokens. */
  private void begin(List<TokenIds> prompts, List<List<Integer>> rowsOfEach) {
    int[] into = rowsOfEach.stream().flatMap(List::stream).mapToInt(row -> row).toArray();
    long[] of =
        IntStream.range(0, prompts.size())
            .flatMap(i -> rowsOfEach.get(i).stream().mapToInt(row -> i))
            .asLongStream()
            .toArray();
    long[] places = IntStream.of(into).asLongStream().toArray();
    try (Handle logits = prefill(prompts, of, places, slot);
        Handle uniform = uniform(into);
        Handle picked = kernels.infer("pick", logits, uniform, temperature, topK, topP)) {
      take(picked, into);
    }
  }

  /**
   * Texts that grow beyond the length at which all their positions turn otherwise: what is in the
   * cache is made anew, the next token's place included.
   */
  private void readAgain(int[] working) {
    int[] there =
        IntStream.of(working)
            .filter(row -> readAgainAt > 0 && slot - starts[row] == readAgainAt)
            .toArray();
    if (there.length > 0) {
      prefill(
              IntStream.of(there).mapToObj(row -> rows[row].text()).toList(),
              LongStream.range(0, there.length).toArray(),
              IntStream.of(there).asLongStream().toArray(),
              slot + 1)
          .close();
    }
  }

  /**
   * Of texts that end before a slot.
   *
   * @param of for each row, the number of its text
   * @param into the rows
   */
  private Handle prefill(List<TokenIds> prompts, long[] of, long[] into, int before) {
    long[] lengths = prompts.stream().mapToLong(TokenIds::size).toArray();
    int longest = longestText(prompts);
    long[] ids = new long[prompts.size() * longest];
    for (int i = 0; i < prompts.size(); i++) {
      int[] prompt = prompts.get(i).values();
      for (int j = 0; j < prompt.length; j++) {
        ids[i * longest + j] = prompt[j];
      }
    }
    try (Handle padded = Handle.of(ids, prompts.size(), longest);
        Handle length = Handle.of(lengths, lengths.length);
        Handle which = Handle.ofList(of);
        Handle places = Handle.ofList(into);
        Handle end = Handle.of((long) before);
        Handle chunk = Handle.of(PREFILL_TOKENS)) {
      return kernels.infer(
          "prefill",
          padded,
          length,
          which,
          places,
          end,
          chunk,
          shadow.frame(),
          shadow.packed(),
          cache);
    }
  }

  private void step() {
    int[] all = IntStream.range(0, rows.length).toArray();
    try (Handle last = Handle.of(tokens, tokens.length);
        Handle at = Handle.of((long) slot);
        Handle first = Handle.of((long) first());
        Handle uniform = uniform(all);
        Handle picked =
            kernels.infer(
                "step",
                last,
                start,
                at,
                first,
                sources,
                mask,
                uniform,
                temperature,
                topK,
                topP,
                shadow.frame(),
                shadow.packed(),
                cache)) {
      slot++;
      take(picked, all);
    }
  }

  private Handle uniform(int[] places) {
    float[] numbers = new float[places.length];
    if (settings.temperature() > 0) {
      for (int i = 0; i < numbers.length; i++) {
        // A row that has ended and not yet left draws no more, so its stream is its own.
        numbers[i] = isWorking(places[i]) ? rows[places[i]].nextUniform() : 0;
      }
    }
    return Handle.of(numbers, numbers.length);
  }

  /** Gives the rows at these places their tokens. */
  private void take(Handle picked, int[] places) {
    Handle[] parts = picked.parts();
    try (Handle next = parts[0];
        Handle logprobs = parts[1]) {
      long[] ids = next.longs();
      float[] numbers = logprobs.floats();
      for (int i = 0; i < places.length; i++) {
        if (isWorking(places[i])) {
          rows[places[i]].add((int) ids[i], numbers[i]);
          tokens[places[i]] = ids[i];
        }
      }
    }
  }

  /** Lets rows that have ended go. */
  private void compact(int[] working) {
    rows = IntStream.of(working).mapToObj(i -> rows[i]).toArray(Reply[]::new);
    tokens = IntStream.of(working).mapToLong(i -> tokens[i]).toArray();
    starts = IntStream.of(working).mapToLong(i -> starts[i]).toArray();
    groups = IntStream.of(working).mapToLong(i -> groups[i]).toArray();
    moved();
    try (Handle stay = Handle.of(IntStream.of(working).asLongStream().toArray(), working.length);
        Handle old = cache) {
      cache = kernels.infer("kept", stay, old);
    }
  }

  /** Moves all rows towards the cache's first slot, but leaves room for the prompts that wait. */
  private void shift() {
    int by = Math.min(first(), slot - longestPrompt(waiting));
    try (Handle from = Handle.of((long) by);
        Handle length = Handle.of((long) slot - by)) {
      kernels.infer("shifted", from, length, cache).close();
    }
    slot -= by;
    shifts++;
    for (int i = 0; i < starts.length; i++) {
      starts[i] = Math.max(0, starts[i] - by);
    }
    moved();
  }

  /**
   * For each row, one that entered with it and the same prompt, which may have ended, and the slot
   * behind that prompt: what both hold before it is the same, and is read from memory once. Texts
   * that are read again do not keep it.
   */
  private Handle sources() {
    long[] all = new long[2 * rows.length];
    Map<Long, Integer> first = new HashMap<>();
    for (int i = 0; i < rows.length; i++) {
      all[2 * i] = i;
      Reply reply = rows[i];
      if (reply != null && readAgainAt == 0) {
        int place = i;
        int leader = first.computeIfAbsent(groups[i], key -> place);
        if (leader != i && !reply.finished()) {
          all[2 * i] = leader;
          all[2 * i + 1] = starts[i] + reply.start().size();
        }
      }
    }
    return Handle.of(all, rows.length, 2);
  }

  /** To be called when starts, or who is in which row, have changed. */
  private void moved() {
    start.close();
    start = Handle.of(starts, starts.length);
    sources.close();
    sources = sources();
    mask.close();
    mask = startMask(first());
  }

  private Handle startMask(int firstSlot) {
    try (Handle first = Handle.of((long) firstSlot);
        Handle length = Handle.of((long) slots)) {
      return kernels.infer("start_mask", start, first, length);
    }
  }

  /** Prompts that went through the prefill. */
  int prefilled() {
    return prefilled;
  }

  /** How often the cache was shifted. */
  int shifts() {
    return shifts;
  }

  @Override
  public void close() {
    List.of(temperature, topK, topP, start, sources, mask, cache).forEach(Handle::close);
  }
}
