package dev.troupe.actors.role;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.message.RoleWorker;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class WeightsTest {
  private final ActorTestKit kit = ActorTestKit.create();
  private final ActorRef<Watcher.Command> watcher = kit.spawn(Watcher.create());
  private final BlockingQueue<RoleWorker.Fetch> asked = new LinkedBlockingQueue<>();

  @AfterEach
  void shutdown() {
    kit.shutdownTestKit();
  }

  private ActorRef<RoleWorker.Command> lender() {
    return kit.spawn(
        Behaviors.receive(RoleWorker.Command.class)
            .onMessage(
                RoleWorker.Fetch.class,
                fetch -> {
                  asked.add(fetch);
                  return Behaviors.same();
                })
            .build());
  }

  private CompletableFuture<Weights> fetch(ActorRef<RoleWorker.Command> lender) {
    return CompletableFuture.supplyAsync(
        () -> Weights.fetch(new RoleWorker.Take(lender, 7, 2, 7), kit.system(), watcher));
  }

  @Test
  void fetch_fromOneThatEnds_failsAtOnce_alsoTheNextTime() throws Exception {
    ActorRef<RoleWorker.Command> lender = lender();
    CompletableFuture<Weights> whole = fetch(lender);
    for (int part = 0; part < 2; part++) {
      RoleWorker.Fetch fetch = asked.take();
      assertThat(fetch.part()).isEqualTo(part);
      fetch.replyTo().tell(new RoleWorker.Fetched(new Floats(new float[] {part})));
    }
    assertThat(whole.get(60, TimeUnit.SECONDS).parts()).hasSize(2);

    CompletableFuture<Weights> half = fetch(lender);
    asked.take().replyTo().tell(new RoleWorker.Fetched(new Floats(new float[] {0})));
    asked.take();
    kit.stop(lender);
    assertThatThrownBy(() -> half.get(60, TimeUnit.SECONDS))
        .hasRootCauseInstanceOf(RoleException.class)
        .hasMessageContaining("the weights of version 7 did not come: " + lender.path() + " ended");
    assertThatThrownBy(() -> fetch(lender).get(60, TimeUnit.SECONDS))
        .hasMessageContaining("the weights of version 7 did not come");
  }
}
