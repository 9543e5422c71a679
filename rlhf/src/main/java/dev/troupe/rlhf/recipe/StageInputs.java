package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Prompt;
import dev.troupe.rlhf.data.DataConfig;
import dev.troupe.rlhf.data.DataRecord;
import dev.troupe.rlhf.data.LengthReport;
import dev.troupe.rlhf.data.StageData;
import dev.troupe.rlhf.data.TokenPair;
import dev.troupe.rlhf.data.Tokenization;
import dev.troupe.rlhf.data.Tokenized;
import dev.troupe.rlhf.data.Trained;
import dev.troupe.rlhf.loss.RankedPair;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.port.Text;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** From the user's files to what each recipe takes: read, split, tokenize, hold out. */
public final class StageInputs {
  private final DataConfig data;
  private final Text text;
  private final Tokenization tokenization;
  private final long seed;
  private final List<String> reports = new ArrayList<>();

  /**
   * Reads nothing yet.
   *
   * @param seed of splits, blends and what is held out
   */
  public StageInputs(DataConfig data, Text text, long seed) {
    this.data = data;
    this.text = text;
    this.tokenization = Tokenization.of(text, data);
    this.seed = seed;
  }

  public TrainingData<SftExample> sft(SftConfig config) {
    Tokenized<SftExample> all = tokenization.sft(StageData.sft(data, seed), config.trainOn());
    return TrainingData.split(
        "texts", all.examples(), config.heldOut(), seed, dropped("texts", all.report()));
  }

  public TrainingData<RankedPair> rewardModel(RewardModelConfig config) {
    Tokenized<TokenPair> all = tokenization.pairs(StageData.preferences(data, seed));
    List<RankedPair> pairs =
        all.examples().stream()
            .map(
                pair ->
                    switch (config.loss()) {
                      case LAST_TOKEN -> pair.lastToken();
                      case TOKEN_WISE -> pair.tokenWise(text.endOfSequence());
                    })
            .toList();
    return TrainingData.split(
        "pairs", pairs, config.heldOut(), seed, dropped("pairs", all.report()));
  }

  public PpoData ppo(PpoConfig config) {
    Tokenized<Prompt> all =
        tokenization.prompts(StageData.prompts(data, seed), config.generation().maxNewTokens());
    TrainingData<Prompt> prompts =
        TrainingData.split(
            "prompts",
            all.examples(),
            config.evaluation().heldOut(),
            seed,
            dropped("prompts", all.report()));
    List<SftExample> pretraining =
        config.policy().ptxCoefficient() > 0
            ? tokenization.sft(StageData.pretraining(data, seed), Trained.ALL).examples()
            : List.of();
    return new PpoData(prompts, pretraining);
  }

  public TrainingData<TokenPair> dpo(DpoConfig config) {
    Tokenized<TokenPair> all = tokenization.pairs(StageData.preferences(data, seed));
    return TrainingData.split(
        "pairs", all.examples(), config.heldOut(), seed, dropped("pairs", all.report()));
  }

  /** Prompts to compare DPO's replies on: of data.prompts, or of the preferences without them. */
  public List<Prompt> dpoPrompts(DpoConfig config) {
    List<? extends DataRecord> records =
        data.prompts().isEmpty()
            ? StageData.preferences(data, seed)
            : StageData.prompts(data, seed);
    int room = config.evaluation().generation().maxNewTokens();
    return TrainingData.split(
            "prompts",
            tokenization.prompts(records, room).examples(),
            config.evaluation().heldOut(),
            seed,
            Map.of())
        .heldOut();
  }

  /** What the length policy did to each stage's data so far, one line each, for a person. */
  public List<String> reports() {
    return List.copyOf(reports);
  }

  private Map<String, Long> dropped(String what, LengthReport report) {
    reports.add(report.describe(what));
    return report.dropped() == 0 ? Map.of() : Map.of("too long", (long) report.dropped());
  }
}
