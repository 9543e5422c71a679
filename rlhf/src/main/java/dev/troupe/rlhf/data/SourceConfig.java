package dev.troupe.rlhf.data;

import java.util.List;
import java.util.Optional;

/**
 * One file of records.
 *
 * @param path a .jsonl, .jsonl.gz, .json or .json.gz file
 * @param weight relative share of this source in its blend; given for all sources of a blend or for
 *     none, and then every record is used
 * @param shape how a record is laid out; auto recognises it
 * @param limit read no more than this many records, from the first on
 * @param stageSplit overrides the data's own, for instance [10, 0, 0] for a source of SFT alone
 */
public record SourceConfig(
    String path,
    Optional<Double> weight,
    Shape shape,
    Optional<Integer> limit,
    Optional<List<Double>> stageSplit) {
  public SourceConfig {
    if (path.isBlank()) {
      throw new IllegalArgumentException("path is empty, name a .jsonl or .json file");
    }
    if (weight.isPresent() && !(weight.get() > 0 && Double.isFinite(weight.get()))) {
      throw new IllegalArgumentException("weight is " + weight.get() + ", allowed: above 0");
    }
    if (limit.isPresent() && limit.get() < 1) {
      throw new IllegalArgumentException("limit is " + limit.get() + ", allowed: at least 1");
    }
    stageSplit.ifPresent(parts -> DeepSpeedChatSplit.check("stage-split", parts));
    stageSplit = stageSplit.map(List::copyOf);
  }

  /** A whole file of a shape to recognise. */
  public static SourceConfig of(String path) {
    return new SourceConfig(path, Optional.empty(), Shape.AUTO, Optional.empty(), Optional.empty());
  }
}
