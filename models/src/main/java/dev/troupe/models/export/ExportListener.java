package dev.troupe.models.export;

/** Hears how an export gets on. */
@FunctionalInterface
public interface ExportListener {
  /**
   * @param tensor just taken
   * @param done numbers taken so far, its own included
   * @param total numbers in all
   */
  void wrote(String tensor, long done, long total);
}
