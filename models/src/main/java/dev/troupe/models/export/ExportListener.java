package dev.troupe.models.export;

/** Hears how an export gets on. */
@FunctionalInterface
public interface ExportListener {
  /**
   * @param tensor just taken
   * @param done tensors taken so far, it included
   * @param total tensors in all
   */
  void wrote(String tensor, int done, int total);
}
