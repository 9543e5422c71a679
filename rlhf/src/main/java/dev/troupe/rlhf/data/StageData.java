package dev.troupe.rlhf.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** The records of one stage: its sources read, split and blended. */
public final class StageData {
  private StageData() {}

  /** Texts to imitate. */
  public static List<DataRecord> sft(DataConfig config, long seed, Reading reading) {
    return load("data.sft", config.sft(), config, DeepSpeedChatSplit.Stage.SFT, seed, reading);
  }

  /** Pairs for a reward model or DPO. */
  public static List<DataRecord.Preference> preferences(
      DataConfig config, long seed, Reading reading) {
    List<DataRecord> records =
        load(
            "data.preferences",
            config.preferences(),
            config,
            DeepSpeedChatSplit.Stage.REWARD,
            seed,
            reading);
    List<DataRecord.Preference> pairs = new ArrayList<>(records.size());
    for (DataRecord record : records) {
      if (!(record instanceof DataRecord.Preference pair)) {
        throw DataException.at(
            record.origin(),
            "data.preferences needs a chosen and a rejected answer, this file has none: expected "
                + Shape.PREFERENCE.layout()
                + " or "
                + Shape.HH.layout());
      }
      pairs.add(pair);
    }
    return pairs;
  }

  /** Answers that were found good or bad; never split by {@code stage-split}. */
  public static List<DataRecord.Judged> labelled(DataConfig config, long seed, Reading reading) {
    return judged(config, RecordFile.Extras.LABELLED, seed, reading);
  }

  /** Answers with a score, or in steps with a label each; never split. */
  public static List<DataRecord.Judged> scored(DataConfig config, long seed, Reading reading) {
    return judged(config, RecordFile.Extras.SCORED, seed, reading);
  }

  private static List<DataRecord.Judged> judged(
      DataConfig config, RecordFile.Extras extras, long seed, Reading reading) {
    return blend(
            config.judged(), readAll("data.judged", config.judged(), config, extras, reading), seed)
        .stream()
        .map(DataRecord.Judged.class::cast)
        .toList();
  }

  /**
   * Records whose prompts are answered before and after a stage that learns from none: prompts, or
   * else pairs, or else judged answers.
   */
  public static List<? extends DataRecord> comparisons(
      DataConfig config, long seed, Reading reading) {
    if (!config.prompts().isEmpty()) {
      return prompts(config, seed, reading);
    }
    return config.preferences().isEmpty() && !config.judged().isEmpty()
        ? labelled(config, seed, reading)
        : preferences(config, seed, reading);
  }

  /** Prompts to answer, with what rewards compare the answers with. */
  public static List<DataRecord.Task> tasks(DataConfig config, long seed, Reading reading) {
    return load(
            "data.prompts",
            config.prompts(),
            config,
            DeepSpeedChatSplit.Stage.PPO,
            RecordFile.Extras.KEPT,
            seed,
            reading)
        .stream()
        .map(DataRecord.Task.class::cast)
        .toList();
  }

  /** Prompts to answer. */
  public static List<DataRecord> prompts(DataConfig config, long seed, Reading reading) {
    return load(
        "data.prompts", config.prompts(), config, DeepSpeedChatSplit.Stage.PPO, seed, reading);
  }

  /** Texts mixed into PPO; never split. */
  public static List<DataRecord> pretraining(DataConfig config, long seed, Reading reading) {
    return blend(
        config.pretraining(),
        readAll("data.pretraining", config.pretraining(), config, RecordFile.Extras.TOLD, reading),
        seed);
  }

  private static List<DataRecord> load(
      String key,
      List<SourceConfig> sources,
      DataConfig config,
      DeepSpeedChatSplit.Stage stage,
      long seed,
      Reading reading) {
    return load(key, sources, config, stage, RecordFile.Extras.TOLD, seed, reading);
  }

  private static List<DataRecord> load(
      String key,
      List<SourceConfig> sources,
      DataConfig config,
      DeepSpeedChatSplit.Stage stage,
      RecordFile.Extras extras,
      long seed,
      Reading reading) {
    List<List<DataRecord>> parts = readAll(key, sources, config, extras, reading);
    for (int i = 0; i < sources.size(); i++) {
      Optional<List<Double>> split = sources.get(i).stageSplit().or(config::stageSplit);
      if (split.isPresent()) {
        parts.set(i, share(sources.get(i), parts.get(i), split.get(), seed, stage));
      }
    }
    List<DataRecord> blend = blend(sources, parts, seed);
    // DeepSpeed-Chat shuffles what it has put together once more, with the same seed.
    return config.stageSplit().isPresent()
        ? pick(blend, DeepSpeedChatSplit.permutation(blend.size(), seed))
        : blend;
  }

  private static List<List<DataRecord>> readAll(
      String key,
      List<SourceConfig> sources,
      DataConfig config,
      RecordFile.Extras extras,
      Reading reading) {
    if (sources.isEmpty()) {
      throw new DataException(
          key + " names no source; give it a list of files: " + key + " = [{ path = … }]");
    }
    List<List<DataRecord>> parts = new ArrayList<>();
    for (SourceConfig source : sources) {
      parts.add(
          RecordFile.read(source, config.maxRecords(), config.maxMegabytes(), extras, reading));
    }
    return parts;
  }

  private static List<DataRecord> share(
      SourceConfig source,
      List<DataRecord> records,
      List<Double> split,
      long seed,
      DeepSpeedChatSplit.Stage stage) {
    int[] indices = DeepSpeedChatSplit.indices(records.size(), split, seed, stage);
    if (indices.length == 0) {
      throw new DataException(
          source.path()
              + ": of its "
              + records.size()
              + " records stage-split "
              + split
              + " leaves none for the stage "
              + stage
              + "; change stage-split or leave the source out of this stage");
    }
    return pick(records, indices);
  }

  private static List<DataRecord> blend(
      List<SourceConfig> sources, List<List<DataRecord>> parts, long seed) {
    if (sources.stream().allMatch(source -> source.weight().isPresent())) {
      List<Double> weights = sources.stream().map(source -> source.weight().orElseThrow()).toList();
      return Blend.byWeight(parts, weights, seed);
    }
    return parts.stream().flatMap(List::stream).toList();
  }

  private static <T> List<T> pick(List<T> records, int[] indices) {
    return Arrays.stream(indices).mapToObj(records::get).toList();
  }
}
