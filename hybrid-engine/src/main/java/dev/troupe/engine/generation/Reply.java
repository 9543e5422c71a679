package dev.troupe.engine.generation;

import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.TokenIds;
import java.util.Arrays;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The response to one prompt while it grows. */
final class Reply {
  private final Prompt prompt;
  private final TokenIds start;
  private final SamplingSettings settings;
  private final Set<Integer> endTokens;
  private final Tokenizer tokenizer;
  private final Consumer<String> listener;
  private final boolean streaming;
  private final SplittableRandom random;
  private final TextStream stream;
  private final int limit;
  private int[] tokens = new int[16];
  private float[] logprobs = new float[16];
  private int size;
  private @Nullable FinishReason finish;

  /**
   * @param virtual ids of tokens that stand before the prompt
   * @param answer its number among the answers to the prompt, from 0
   * @param room tokens that the context has left
   * @param listener is told each piece of text as it comes, when {@code streaming}
   */
  Reply(
      Prompt prompt,
      int[] virtual,
      int answer,
      SamplingSettings settings,
      int room,
      Set<Integer> endTokens,
      Tokenizer tokenizer,
      Consumer<String> listener,
      boolean streaming) {
    this.prompt = prompt;
    start = framed(virtual, prompt.tokens());
    this.settings = settings;
    this.endTokens = endTokens;
    this.tokenizer = tokenizer;
    this.listener = listener;
    this.streaming = streaming;
    random = new SplittableRandom(settings.seed() ^ hash(prompt.id()) ^ mixed(answer));
    stream = new TextStream(tokenizer);
    limit = Math.min(settings.maxNewTokens(), room);
  }

  /** FNV-1a, 64 bits: String.hashCode would give many prompts one stream. */
  private static long hash(String id) {
    long hash = 0xcbf29ce484222325L;
    for (int i = 0; i < id.length(); i++) {
      hash = (hash ^ id.charAt(i)) * 0x100000001b3L;
    }
    return hash;
  }

  /**
   * The finaliser of MurmurHash3; 0 stays 0. Small numbers as they are, or multiples of an odd one,
   * would give generators whose streams are each other's, a step apart.
   */
  private static long mixed(long number) {
    long mixed = (number ^ (number >>> 33)) * 0xff51afd7ed558ccdL;
    mixed = (mixed ^ (mixed >>> 33)) * 0xc4ceb9fe1a85ec53L;
    return mixed ^ (mixed >>> 33);
  }

  Prompt prompt() {
    return prompt;
  }

  private static TokenIds framed(int[] virtual, TokenIds tokens) {
    if (virtual.length == 0) {
      return tokens;
    }
    int[] all = Arrays.copyOf(virtual, virtual.length + tokens.size());
    System.arraycopy(tokens.values(), 0, all, virtual.length, tokens.size());
    return new TokenIds(all);
  }

  /** What stands before the response: virtual tokens, if any, and the prompt. */
  TokenIds start() {
    return start;
  }

  /** What stands before the response, and what there is of it. */
  TokenIds text() {
    int[] before = start.values();
    int[] all = Arrays.copyOf(before, before.length + size);
    System.arraycopy(tokens, 0, all, before.length, size);
    return new TokenIds(all);
  }

  /** Most tokens that this response can have. */
  int limit() {
    return limit;
  }

  /** Uniform in [0, 1), exact in a float: 1 would choose what has no probability. */
  float nextUniform() {
    return (random.nextInt() >>> 8) * 0x1p-24f;
  }

  /** Takes up the next token. */
  void add(int token, float logprob) {
    if (!Float.isFinite(logprob)) {
      throw new GenerationException(
          "The model gives log-probability "
              + logprob
              + " for token "
              + size
              + " of the response to prompt '"
              + prompt.id()
              + "': its weights are broken. Did training diverge? Lower the learning rate, or go back"
              + " to a checkpoint.");
    }
    if (size == tokens.length) {
      tokens = Arrays.copyOf(tokens, 2 * size);
      logprobs = Arrays.copyOf(logprobs, 2 * size);
    }
    tokens[size] = token;
    logprobs[size] = logprob;
    size++;
    if (endTokens.contains(token)) {
      finish = FinishReason.EOS;
    } else if (stops(token)) {
      finish = FinishReason.STOP;
    } else if (size >= limit) {
      finish = FinishReason.LENGTH;
    }
  }

  private boolean stops(int token) {
    if (!streaming && settings.stopStrings().isEmpty()) {
      return false;
    }
    String piece = stream.add(token);
    if (streaming && !piece.isEmpty()) {
      listener.accept(piece);
    }
    return settings.stopStrings().stream().anyMatch(stop -> stream.contains(stop, piece));
  }

  boolean finished() {
    return finish != null;
  }

  Rollout rollout(long version) {
    if (finish == null) {
      throw new IllegalStateException("the response to '" + prompt.id() + "' has not ended");
    }
    int[] response = Arrays.copyOf(tokens, size);
    return new Rollout(
        prompt,
        new TokenIds(response),
        tokenizer.decode(response),
        new Floats(Arrays.copyOf(logprobs, size)),
        finish,
        version);
  }
}
