package dev.troupe.rlhf.recipe;

import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;

/** Waits in the recipe's own thread for what a role promised. */
public final class Await {
  private Await() {}

  /** The value, or the role's own failure. */
  public static <T> T on(CompletionStage<T> stage) {
    try {
      return stage.toCompletableFuture().join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      if (e.getCause() instanceof Error cause) {
        throw cause;
      }
      throw e;
    }
  }
}
