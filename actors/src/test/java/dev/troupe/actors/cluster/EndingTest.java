package dev.troupe.actors.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.junit.jupiter.api.Test;

/** Whoever waits for the end of a system waits no longer than that may take. */
final class EndingTest {
  @Test
  void systemThatDoesNotEnd_isOverdue() {
    CountDownLatch held = new CountDownLatch(1);
    ActorSystem<Void> system =
        ActorSystem.create(
            Behaviors.<Void>setup(
                context ->
                    Behaviors.receive(Void.class)
                        .onSignal(
                            PostStop.class,
                            stop -> {
                              held.await();
                              return Behaviors.same();
                            })
                        .build()),
            "held",
            ConfigFactory.parseString("pekko.actor.provider = local")
                .withFallback(ConfigFactory.parseResources("troupe-actors.conf"))
                .withFallback(ConfigFactory.load()));
    try {
      Ending ending = new Ending(Duration.ofMillis(200));
      ending.of(system);
      assertThat(ending.overdue()).isNotDone();
      system.terminate();
      assertThat(ending.overdue()).succeedsWithin(Duration.ofSeconds(20));
      assertThat(system.whenTerminated().isCompleted()).isFalse();
    } finally {
      held.countDown();
    }
    assertThat(system.getWhenTerminated().toCompletableFuture())
        .succeedsWithin(Duration.ofSeconds(20));
  }
}
