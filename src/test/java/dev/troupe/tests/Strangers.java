package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigFactory;
import dev.troupe.actors.cluster.ClusterException;
import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.role.RunFiles;
import dev.troupe.actors.trust.Authority;
import dev.troupe.actors.trust.Credentials;
import dev.troupe.engine.RoleEngine;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.message.Node;
import dev.troupe.protocol.message.RoleWorker;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.AskPattern;
import org.apache.pekko.actor.typed.javadsl.Behaviors;

/** What a process that does not belong to a run can try at one of its ports. */
final class Strangers {
  /** Why a port refuses what {@link #attack} tries, in its run's notices. */
  static final List<String> REASONS =
      List.of(
          "it had not finished its handshake when 256 others had begun theirs",
          "it does not speak TLS",
          "it did not accept this node's certificate (certificate_unknown)",
          "its certificate expired on ");

  /** More than a port bears with at a time. */
  private static final int IDLE = 300;

  private Strangers() {}

  /**
   * Connections that say nothing, meanwhile; plain bytes; orders from a system of the run's name
   * that speaks what Artery spoke before TLS; joining with a certificate of another run, and with
   * one of this run that has expired.
   *
   * @param stolen where a role is told to save
   */
  static void attack(int port, Authority authority, Path stolen) {
    List<Socket> idle = new ArrayList<>();
    try {
      for (int i = 0; i < IDLE; i++) {
        idle.add(new Socket(InetAddress.getLoopbackAddress(), port));
      }
      speak(port, authority, stolen);
      for (Socket socket : idle) {
        socket.close();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void speak(int port, Authority authority, Path stolen) {
    Duration hour = Duration.ofHours(1);
    Instant now = Instant.now();
    speak(port, stolen);
    join(port, authority.issue("node", now.minus(hour), now.minusSeconds(1)));
  }

  /**
   * What a process can do that has nothing of the run's: of another user, say.
   *
   * @param arguments port, and where a role is told to save
   */
  public static void main(String[] arguments) {
    speak(Integer.parseInt(arguments[0]), Path.of(arguments[1]));
  }

  private static void speak(int port, Path stolen) {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      socket.getOutputStream().write("shutdown\r\n".getBytes(StandardCharsets.US_ASCII));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    orders(port, stolen);
    Duration hour = Duration.ofHours(1);
    join(port, Authority.create("other", hour).issue("node", hour));
  }

  private static void join(int port, Credentials credentials) {
    assertThatThrownBy(
            () ->
                Ensemble.node(
                    "127.0.0.1",
                    0,
                    "127.0.0.1:" + port,
                    List.of("policy"),
                    Duration.ofSeconds(2),
                    new Ensemble.Place(credentials, RunFiles.NOWHERE),
                    new Nothing()))
        .isInstanceOf(ClusterException.class);
  }

  /** Leaves, opens, loads and saves, in the run's own words. */
  private static void orders(int port, Path stolen) {
    ActorSystem<Void> system =
        ActorSystem.create(
            Behaviors.empty(),
            "troupe",
            ConfigFactory.parseMap(
                    Map.of(
                        "pekko.actor.provider",
                        "remote",
                        "pekko.remote.artery.transport",
                        "tcp",
                        "pekko.remote.artery.canonical.hostname",
                        "127.0.0.1",
                        "pekko.remote.artery.canonical.port",
                        0))
                .withFallback(ConfigFactory.parseResources("troupe-actors.conf"))
                .withFallback(ConfigFactory.load()));
    try {
      ActorRef<Node.Command> node =
          ActorRefResolver.get(system)
              .resolveActorRef("pekko://troupe@127.0.0.1:" + port + "/user");
      RoleSpec spec =
          new RoleSpec(
              "policy",
              Quickstarts.ROOT.resolve("configs/quickstart-base").toString(),
              Optional.empty(),
              new Tuning.Lora(2, 4, List.of("q_proj")),
              Head.LANGUAGE_MODEL,
              Optional.empty(),
              1,
              Optional.empty(),
              0);
      assertThatThrownBy(
              () ->
                  AskPattern.<Node.Command, Node.Reply>ask(
                          node,
                          replyTo ->
                              new Node.Open(spec, Node.Terms.NONE, system.ignoreRef(), replyTo),
                          Duration.ofSeconds(3),
                          system.scheduler())
                      .toCompletableFuture()
                      .join())
          .isInstanceOf(CompletionException.class)
          .hasCauseInstanceOf(java.util.concurrent.TimeoutException.class);
      ActorRef<RoleWorker.Command> worker =
          ActorRefResolver.get(system)
              .resolveActorRef("pekko://troupe@127.0.0.1:" + port + "/user/policy-1");
      worker.tell(
          new RoleWorker.Request(new RoleWorker.Save(stolen.toString()), system.ignoreRef()));
      node.tell(new Node.Leave());
    } finally {
      system.terminate();
    }
    try {
      system.getWhenTerminated().toCompletableFuture().get();
    } catch (ExecutionException e) {
      throw new IllegalStateException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** A stranger's node gets nothing to do. */
  static final class Nothing implements RoleEngine.Factory {
    @Override
    public RoleEngine open(RoleSpec spec) {
      throw new IllegalStateException("a stranger was given a role");
    }

    @Override
    public void close() {}
  }
}
