package dev.troupe.rlhf.data;

import dev.troupe.rlhf.limits.Limits;
import java.util.List;
import java.util.Optional;

/**
 * What the stages learn from. One file may serve several: SFT takes the chosen side of preferences,
 * and prompts are taken from records of any shape.
 *
 * @param sft texts to imitate
 * @param preferences pairs for the reward model and DPO
 * @param judged answers that were judged one by one, for KTO and for reward models of scores
 * @param prompts to answer in PPO
 * @param pretraining texts mixed into PPO (PPO-ptx)
 * @param stageSplit share of each source that SFT, reward model and PPO get, such as [2, 4, 4],
 *     drawn as DeepSpeed-Chat does; absent when every stage sees the whole of its sources
 * @param format how records become text
 * @param chatTemplate a file that stands for the model's chat template; absent for its own
 * @param maxTokens longest sequence, prompt and answer; 0 for the model's context
 * @param maxPromptTokens longest prompt, 0 for no limit of its own
 * @param tooLong what happens to longer ones; either way they are counted
 * @param maxRecords most records that one source may have; more are an error, as they would fill
 *     the memory
 * @param maxMegabytes most text that one source may have, in MiB and not compressed; the same. 0
 *     for a quarter of the JVM's heap, since records and their tokens take up to four times as much
 */
public record DataConfig(
    List<SourceConfig> sft,
    List<SourceConfig> preferences,
    List<SourceConfig> judged,
    List<SourceConfig> prompts,
    List<SourceConfig> pretraining,
    Optional<List<Double>> stageSplit,
    Format format,
    Optional<String> chatTemplate,
    int maxTokens,
    int maxPromptTokens,
    TooLong tooLong,
    int maxRecords,
    int maxMegabytes) {
  /** Default of {@code maxRecords}. */
  public static final int MAX_RECORDS = 1_000_000;

  /** Default of {@code maxMegabytes}. */
  public static final int MAX_MEGABYTES = 0;

  /** How records become text. */
  public enum Format {
    /** Messages through the chat template, everything else as plain text. */
    AUTO,
    /** Plain text; messages are an error. */
    PLAIN,
    /** Everything through the chat template; a plain prompt becomes a user's turn. */
    CHAT
  }

  /** What happens to a sequence over its limit. */
  public enum TooLong {
    /** It is left out. */
    DROP,
    /**
     * An answer stays whole where it fits with one token before it: the prompt loses its beginning
     * first, then the answer its end (and its end-of-sequence token).
     */
    TRUNCATE
  }

  public DataConfig {
    sft = List.copyOf(sft);
    preferences = List.copyOf(preferences);
    judged = List.copyOf(judged);
    prompts = List.copyOf(prompts);
    pretraining = List.copyOf(pretraining);
    Limits limits = new Limits();
    stageSplit.ifPresent(parts -> DeepSpeedChatSplit.check(limits, "stage-split", parts));
    checkWeights(limits, "sft", sft);
    checkWeights(limits, "preferences", preferences);
    checkWeights(limits, "judged", judged);
    checkWeights(limits, "prompts", prompts);
    checkWeights(limits, "pretraining", pretraining);
    limits
        .condition(
            "max-tokens",
            maxTokens,
            maxTokens == 0 || maxTokens >= 2,
            "at least 2, or 0 for the model's context")
        .condition("max-prompt-tokens", maxPromptTokens, maxPromptTokens >= 0, "at least 0")
        .condition(
            "max-prompt-tokens",
            maxPromptTokens,
            maxTokens < 2 || maxPromptTokens < maxTokens,
            "0 for no limit, or below max-tokens (" + maxTokens + ")",
            "max-tokens")
        .condition(
            "chat-template",
            "empty",
            chatTemplate.filter(String::isBlank).isEmpty(),
            "a file, or null for the model's own")
        .atLeast("max-records", maxRecords, 1)
        .atLeast("max-megabytes", maxMegabytes, 0)
        .verify();
    stageSplit = stageSplit.map(List::copyOf);
  }

  /** With the default bounds on what a source may hold, nothing judged, the model's template. */
  public DataConfig(
      List<SourceConfig> sft,
      List<SourceConfig> preferences,
      List<SourceConfig> prompts,
      List<SourceConfig> pretraining,
      Optional<List<Double>> stageSplit,
      Format format,
      int maxTokens,
      int maxPromptTokens,
      TooLong tooLong) {
    this(
        sft,
        preferences,
        List.of(),
        prompts,
        pretraining,
        stageSplit,
        format,
        Optional.empty(),
        maxTokens,
        maxPromptTokens,
        tooLong,
        MAX_RECORDS,
        MAX_MEGABYTES);
  }

  /** The bound on one source in MiB, worked out for a heap of so many bytes. */
  static int megabytes(int configured, long heap) {
    return configured > 0 ? configured : (int) Math.max(1, Math.min(Integer.MAX_VALUE, heap >> 22));
  }

  private static void checkWeights(Limits limits, String key, List<SourceConfig> sources) {
    long weighted = sources.stream().filter(source -> source.weight().isPresent()).count();
    limits.condition(
        key,
        "a blend with a weight on " + weighted + " of " + sources.size() + " sources",
        weighted == 0 || weighted == sources.size(),
        "a weight on all of them or on none");
  }
}
