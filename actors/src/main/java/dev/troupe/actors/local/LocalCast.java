package dev.troupe.actors.local;

import dev.troupe.engine.RoleEngine;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.rlhf.port.Cast;
import dev.troupe.rlhf.port.Role;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Opens roles in this JVM. */
public final class LocalCast implements Cast {
  private final RoleEngine.Factory engines;

  /** The factory stays the caller's to close. */
  public LocalCast(RoleEngine.Factory engines) {
    this.engines = engines;
  }

  @Override
  public CompletionStage<Role> open(RoleSpec spec) {
    // One thread per role: an engine's calls come from one thread, in the order they were asked.
    ExecutorService thread =
        Executors.newSingleThreadExecutor(
            work -> {
              Thread made = new Thread(work, "role-" + spec.name());
              made.setDaemon(true);
              return made;
            });
    CompletableFuture<Role> opened =
        CompletableFuture.supplyAsync(() -> new LocalRole(engines.open(spec), thread), thread);
    return opened.whenComplete(
        (role, failure) -> {
          if (failure != null) {
            thread.shutdown();
          }
        });
  }
}
