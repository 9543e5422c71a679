package dev.troupe.rlhf.data;

import dev.troupe.rlhf.limits.Limits;
import java.util.List;
import java.util.Optional;

/**
 * Records of one shape.
 *
 * @param path a .jsonl, .json, .csv, .tsv (each also .gz) or .parquet file, a directory of such, or
 *     a glob such as data/*.jsonl
 * @param weight relative share of this source in its blend; given for all sources of a blend or for
 *     none, and then every record is used
 * @param shape how a record is laid out; auto recognises it
 * @param limit read no more than this many records, from the first on
 * @param stageSplit overrides the data's own, for instance [10, 0, 0] for a source of SFT alone
 * @param columns which field is which, where the names are others
 * @param ignore fields that are taken as if they were not there
 */
public record SourceConfig(
    String path,
    Optional<Double> weight,
    Shape shape,
    Optional<Integer> limit,
    Optional<List<Double>> stageSplit,
    Columns columns,
    List<String> ignore) {
  public SourceConfig {
    Limits limits = new Limits();
    limits.condition("path", "empty", !path.isBlank(), "a file of records, a directory or a glob");
    weight.ifPresent(value -> limits.above("weight", value, 0));
    limit.ifPresent(value -> limits.atLeast("limit", value, 1));
    stageSplit.ifPresent(parts -> DeepSpeedChatSplit.check(limits, "stage-split", parts));
    limits.verify();
    stageSplit = stageSplit.map(List::copyOf);
    ignore = List.copyOf(ignore);
  }

  /** By the names that docs/data.md lists. */
  public SourceConfig(
      String path,
      Optional<Double> weight,
      Shape shape,
      Optional<Integer> limit,
      Optional<List<Double>> stageSplit) {
    this(path, weight, shape, limit, stageSplit, Columns.NONE, List.of());
  }

  /** A whole file of a shape to recognise. */
  public static SourceConfig of(String path) {
    return new SourceConfig(path, Optional.empty(), Shape.AUTO, Optional.empty(), Optional.empty());
  }
}
