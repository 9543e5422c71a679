package dev.troupe.rewards;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/** A list cut into parts that are worked on side by side. */
final class Batches {
  private Batches() {}

  /**
   * The parts' results one behind the other.
   *
   * @param size of a part at most, 0 for all at once
   */
  static <T, R> CompletableFuture<List<R>> each(
      List<T> all, int size, Function<List<T>, CompletableFuture<List<R>>> work) {
    int step = size == 0 ? Math.max(1, all.size()) : size;
    List<CompletableFuture<List<R>>> parts = new ArrayList<>();
    for (int from = 0; from < all.size(); from += step) {
      parts.add(work.apply(all.subList(from, Math.min(all.size(), from + step))));
    }
    return CompletableFuture.allOf(parts.toArray(CompletableFuture[]::new))
        .thenApply(done -> parts.stream().flatMap(part -> part.join().stream()).toList());
  }
}
