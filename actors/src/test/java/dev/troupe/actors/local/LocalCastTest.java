package dev.troupe.actors.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.engine.RoleEngine;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Tuning;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class LocalCastTest {
  private static final RoleSpec SPEC =
      new RoleSpec(
          "policy",
          "nowhere",
          Optional.empty(),
          new Tuning.Frozen(),
          Head.LANGUAGE_MODEL,
          Optional.empty(),
          1,
          Optional.empty(),
          0);

  @Test
  void open_engineThatCannotLoad_failsWithItsMessage() {
    RoleEngine.Factory factory =
        new RoleEngine.Factory() {
          @Override
          public RoleEngine open(RoleSpec spec) {
            throw new IllegalArgumentException(spec.model() + " has no config.json");
          }

          @Override
          public void close() {}
        };
    assertThatThrownBy(() -> new LocalCast(factory).open(SPEC).toCompletableFuture().join())
        .hasRootCauseMessage("nowhere has no config.json");
    assertThat(Thread.getAllStackTraces().keySet())
        .noneMatch(thread -> thread.getName().equals("role-policy") && !thread.isDaemon());
  }
}
