package dev.troupe.rlhf.data;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;

/** Formats of files of records, by the end of a file's name. */
enum FileFormat {
  /** One value per line, or one array. */
  JSON,
  /** Separated by commas. */
  CSV,
  /** Separated by tabs. */
  TSV,
  PARQUET;

  static Optional<FileFormat> of(Path file) {
    String name = String.valueOf(file.getFileName()).toLowerCase(Locale.ROOT);
    boolean zipped = isZipped(file);
    String plain = zipped ? name.substring(0, name.length() - 3) : name;
    String end = plain.substring(plain.lastIndexOf('.') + 1);
    return switch (plain.contains(".") ? end : "") {
      case "jsonl", "ndjson", "json" -> Optional.of(JSON);
      case "csv" -> Optional.of(CSV);
      case "tsv" -> Optional.of(TSV);
      case "parquet" -> zipped ? Optional.empty() : Optional.of(PARQUET);
      default -> Optional.empty();
    };
  }

  static boolean isZipped(Path file) {
    return String.valueOf(file.getFileName()).toLowerCase(Locale.ROOT).endsWith(".gz");
  }
}
