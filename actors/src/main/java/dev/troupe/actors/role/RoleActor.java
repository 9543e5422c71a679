package dev.troupe.actors.role;

import dev.troupe.actors.shortage.Shortage;
import dev.troupe.engine.EngineException;
import dev.troupe.engine.RoleEngine;
import dev.troupe.engine.generation.GenerationException;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.message.RoleStatus;
import dev.troupe.protocol.message.RoleWorker;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SortedMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentNavigableMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One role. It owns the engine and a thread to run it on; requests are carried out one after
 * another in the order they came, and the actor itself never waits.
 */
final class RoleActor extends AbstractBehavior<RoleWorker.Command> {
  /** The thread is free again. */
  private record Done(
      ActorRef<RoleWorker.Reply> replyTo, RoleWorker.Reply reply, Readings readings, boolean last)
      implements RoleWorker.Command {}

  /** What the engine said of itself after its last work; an engine is asked on its thread alone. */
  private record Readings(
      long adapterVersion,
      Map<String, Long> memoryBytes,
      Map<String, Double> phaseSeconds,
      String kernels) {
    static final Readings NONE = new Readings(0, Map.of(), Map.of(), "");

    static Readings of(@Nullable RoleEngine engine) {
      return engine == null
          ? NONE
          : new Readings(
              engine.adapterVersion(),
              engine.memoryBytes(),
              engine.phaseSeconds(),
              engine.kernels());
    }

    /** What is still true of an engine that is gone. */
    Readings freed() {
      return new Readings(adapterVersion, Map.of(), phaseSeconds, kernels);
    }
  }

  /** A look at how far the work is. */
  private record Look() implements RoleWorker.Command {}

  private static final Logger LOG = LoggerFactory.getLogger(RoleActor.class);

  private final RoleSpec spec;
  private final String node;
  private final Supplier<RoleEngine> opener;
  private final RunFiles files;
  private final ActorRef<RoleStatus> listener;
  private final ExecutorService thread;
  private final Deque<RoleWorker.Command> waiting = new ArrayDeque<>();
  private final ActorSystem<?> system;
  private final ActorRef<Watcher.Command> watcher;

  /** What others may fetch, by version; written on the role's thread, read by the actor. */
  private final ConcurrentNavigableMap<Long, Weights> lent = new ConcurrentSkipListMap<>();

  /** What the role's other replicas may fetch, where it has some. */
  private final Exchange exchange = new Exchange();

  private final ActorRef<RoleWorker.Command> exchanger;
  private final Patience patience;
  private final TimerScheduler<RoleWorker.Command> timers;
  private final Vigil vigil = new Vigil();

  /** How far the engine is; it may be asked on any thread. */
  private volatile Supplier<OptionalLong> progress = OptionalLong::empty;

  /** Whether the work in hand waits for other replicas; written on the role's thread. */
  private volatile boolean awaitsOthers;

  /** Under a vigil, and since when; absent where nothing is. */
  private RoleWorker.@Nullable Request watched;

  private Instant moved = Instant.EPOCH;
  private final Groups groups;
  private final Groups.Membership membership;

  private boolean busy;
  private boolean started;
  private Readings readings = Readings.NONE;

  /** Touched on the role's thread alone. */
  private @Nullable RoleEngine engine;

  private RoleActor(
      ActorContext<RoleWorker.Command> context,
      RoleSpec spec,
      String node,
      Supplier<RoleEngine> opener,
      RunFiles files,
      Groups groups,
      Patience patience,
      TimerScheduler<RoleWorker.Command> timers,
      ActorRef<RoleStatus> listener) {
    super(context);
    this.spec = spec;
    this.node = node;
    this.opener = opener;
    this.files = files;
    this.groups = groups;
    this.membership = new Groups.Membership(groups);
    this.listener = listener;
    this.patience = patience;
    this.timers = timers;
    this.system = context.getSystem();
    this.watcher = context.spawn(Watcher.create(), "watcher");
    this.exchanger = ExchangeActor.spawn(context, exchange);
    this.thread =
        Executors.newSingleThreadExecutor(
            task -> {
              Thread pinned = new Thread(task, "role-" + spec.name());
              pinned.setDaemon(true);
              return pinned;
            });
  }

  /**
   * The engine is opened by the first request, on the role's thread.
   *
   * @param groups by which it may exchange gradients with replicas
   * @param patience with work that makes no progress
   */
  static Behavior<RoleWorker.Command> create(
      RoleSpec spec,
      String node,
      Supplier<RoleEngine> opener,
      RunFiles files,
      Groups groups,
      Patience patience,
      ActorRef<RoleStatus> listener) {
    return Behaviors.setup(
        context ->
            Behaviors.withTimers(
                timers ->
                    new RoleActor(
                        context, spec, node, opener, files, groups, patience, timers, listener)));
  }

  @Override
  public Receive<RoleWorker.Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(RoleWorker.Request.class, this::onCommand)
        .onMessage(RoleWorker.Stop.class, this::onCommand)
        .onMessage(RoleWorker.Fetch.class, this::onFetch)
        .onMessage(Done.class, this::onDone)
        .onMessage(Look.class, look -> onLook())
        .onSignal(PostStop.class, this::onPostStop)
        .build();
  }

  private Behavior<RoleWorker.Command> onCommand(RoleWorker.Command command) {
    waiting.add(command);
    return next();
  }

  private Behavior<RoleWorker.Command> onFetch(RoleWorker.Fetch fetch) {
    List<Floats> parts =
        lent.getOrDefault(fetch.adapterVersion(), new Weights(fetch.adapterVersion(), List.of()))
            .parts();
    boolean has = fetch.part() < parts.size();
    fetch
        .replyTo()
        .tell(
            has
                ? new RoleWorker.Fetched(parts.get(fetch.part()))
                : new RoleWorker.Failed(
                    "the "
                        + spec.name()
                        + " on "
                        + node
                        + " lends weights of the versions "
                        + lent.keySet()
                        + ", of that asked for in "
                        + parts.size()
                        + " parts, and was asked for part "
                        + fetch.part()
                        + " of version "
                        + fetch.adapterVersion(),
                    false));
    return this;
  }

  private Behavior<RoleWorker.Command> onDone(Done done) {
    busy = false;
    watched = null;
    timers.cancelAll();
    started = true;
    readings = done.last() ? readings.freed() : done.readings();
    done.replyTo().tell(done.reply());
    if (done.last()) {
      report("stopped", "");
      return Behaviors.stopped();
    }
    if (done.reply() instanceof RoleWorker.Failed failed) {
      report("failed", failed.reason());
    } else if (waiting.isEmpty()) {
      report("idle", "");
    }
    return next();
  }

  private Behavior<RoleWorker.Command> next() {
    if (busy || waiting.isEmpty()) {
      return this;
    }
    busy = true;
    RoleWorker.Command command = waiting.remove();
    if (command instanceof RoleWorker.Request request) {
      report(started ? "busy" : "starting", request.work().activity());
      watch(request);
      run(request.replyTo(), () -> answer(request.work()), false);
    } else if (command instanceof RoleWorker.Stop stop) {
      run(stop.replyTo(), this::closed, true);
    }
    return this;
  }

  /** Work whose pieces follow one another in no time: a model that is written or read has none. */
  private void watch(RoleWorker.Request request) {
    RoleWorker.Work work = request.work();
    boolean inPieces =
        work instanceof RoleWorker.Generate
            || work instanceof RoleWorker.Evaluate
            || work instanceof RoleWorker.EvaluateShare
            || work instanceof RoleWorker.Accumulate
            || work instanceof RoleWorker.AccumulateShare;
    if (inPieces && !patience.silence().isZero()) {
      watched = request;
      moved = Instant.now();
      vigil.begins(progress.get());
      timers.startTimerWithFixedDelay(new Look(), patience.silence().dividedBy(Vigil.LOOKS));
    }
  }

  private Behavior<RoleWorker.Command> onLook() {
    RoleWorker.Request request = watched;
    if (request == null) {
      return this;
    }
    if (vigil.hangs(progress.get(), awaitsOthers)) {
      hangs(request);
    } else if (vigil.isFresh()) {
      moved = Instant.now();
    }
    return this;
  }

  private void hangs(RoleWorker.Request request) {
    watched = null;
    timers.cancelAll();
    String what =
        String.format(
            Locale.ROOT,
            "the %s on %s hangs: '%s' has made no progress since %s, for more than %d s"
                + " (cluster.silence-seconds)",
            spec.name(),
            node,
            request.work().activity(),
            moved.truncatedTo(ChronoUnit.SECONDS),
            patience.silence().toSeconds());
    String threads = Threads.text();
    String whole =
        files
            .note("threads-" + spec.name() + "-" + moved.toEpochMilli() + ".txt", threads)
            .map(file -> what + ". What its threads do is in " + file)
            .orElse(what);
    LOG.error("{}\n{}", whole, threads);
    report("failed", whole);
    patience
        .end()
        .ifPresentOrElse(
            end -> end.accept(whole),
            () -> request.replyTo().tell(new RoleWorker.Failed(whole, false)));
  }

  private void run(
      ActorRef<RoleWorker.Reply> replyTo, Supplier<RoleWorker.Reply> work, boolean last) {
    getContext()
        .pipeToSelf(
            CompletableFuture.supplyAsync(
                () -> new Done(replyTo, attempt(work), Readings.of(engine), last), thread),
            (done, failure) ->
                failure == null ? done : new Done(replyTo, failed(failure), Readings.NONE, last));
  }

  /** A failure is an answer: whoever asked waits for one. */
  private RoleWorker.Reply attempt(Supplier<RoleWorker.Reply> work) {
    try {
      return work.get();
    } catch (RuntimeException | Error e) {
      return failed(e);
    }
  }

  private RoleWorker.Reply answer(RoleWorker.Work work) {
    RoleEngine open = opened();
    if (work instanceof RoleWorker.Generate generate) {
      return new RoleWorker.Generated(
          open.generate(generate.prompts(), generate.answers(), generate.settings()),
          open.samplesByRow());
    } else if (work instanceof RoleWorker.Evaluate evaluate) {
      EnumSet<Output> outputs = EnumSet.noneOf(Output.class);
      outputs.addAll(evaluate.outputs());
      return new RoleWorker.Evaluated(open.evaluate(evaluate.sequences(), outputs));
    } else if (work instanceof RoleWorker.Accumulate<?> accumulate) {
      return new RoleWorker.Gradient(accumulated(open, accumulate));
    } else if (work instanceof RoleWorker.EvaluateShare evaluate) {
      EnumSet<Output> outputs = EnumSet.noneOf(Output.class);
      outputs.addAll(evaluate.outputs());
      SortedMap<Integer, TokenOutputs> said =
          open.evaluate(evaluate.sequences(), outputs, evaluate.share());
      return new RoleWorker.EvaluatedShare(List.copyOf(said.keySet()), List.copyOf(said.values()));
    } else if (work instanceof RoleWorker.AccumulateShare<?> accumulate) {
      return accumulated(open, accumulate);
    } else if (work instanceof RoleWorker.StepShare step) {
      return stepped(open, step);
    } else if (work instanceof RoleWorker.SaveShare save) {
      return saved(open, save);
    } else if (work instanceof RoleWorker.Fingerprint) {
      return new RoleWorker.Fingerprinted(open.modelFingerprint(), open.parametersFingerprint());
    } else if (work instanceof RoleWorker.Carry) {
      return groups.carries();
    } else if (work instanceof RoleWorker.Step step) {
      exchange.clear();
      return new RoleWorker.Stepped(open.step(step.settings()));
    } else if (work instanceof RoleWorker.Save save) {
      files.write(save.directory(), open::save);
    } else if (work instanceof RoleWorker.Checkpoint checkpoint) {
      files.write(checkpoint.directory(), open::checkpoint);
    } else if (work instanceof RoleWorker.Restore restore) {
      open.restore(files.toRead(restore.directory()));
      lent.clear();
    } else if (work instanceof RoleWorker.Lend lend) {
      long version = open.adapterVersion();
      forget(lend.oldest(), version);
      Weights weights =
          lent.computeIfAbsent(version, newest -> Weights.of(newest, open.parameters()));
      return new RoleWorker.Lent(version, weights.parts().size());
    } else if (work instanceof RoleWorker.Take take) {
      Weights taken = Weights.fetch(take, system, watcher);
      open.take(taken.parts(), taken.version());
      forget(take.oldest(), taken.version());
      lent.put(taken.version(), taken);
    } else if (!(work instanceof RoleWorker.Load)) {
      throw new IllegalStateException(
          "it does not know how to " + work.activity() + " (" + work.getClass().getName() + ")");
    }
    return new RoleWorker.Finished();
  }

  /** What nobody fetches any more, of the versions before the newest. */
  private void forget(long oldest, long newest) {
    lent.keySet().removeIf(version -> version < oldest && version != newest);
  }

  private static <E extends Example> Accumulated accumulated(
      RoleEngine engine, RoleWorker.Accumulate<E> work) {
    return engine.accumulate(work.objective(), work.examples(), work.totals());
  }

  private <E extends Example> RoleWorker.Reply accumulated(
      RoleEngine engine, RoleWorker.AccumulateShare<E> work) {
    RoleWorker.Together together = work.together();
    return exchanged(
        together,
        peers ->
            new RoleWorker.Gradient(
                engine.accumulate(
                    work.objective(),
                    work.examples(),
                    work.totals(),
                    together.share(),
                    own ->
                        spec.shard().of() > 1
                            ? peers.shard(own, carrier(together, peers))
                            : peers.whole(own, carrier(together, peers)))));
  }

  private RoleWorker.Reply stepped(RoleEngine engine, RoleWorker.StepShare work) {
    return exchanged(
        work.together(),
        peers ->
            new RoleWorker.Stepped(
                engine.step(work.settings(), gathering(work.together(), peers))));
  }

  private RoleWorker.Reply saved(RoleEngine engine, RoleWorker.SaveShare work) {
    return exchanged(
        work.together(),
        peers -> {
          RoleEngine.Gathering others = gathering(work.together(), peers);
          if (work.together().share().rank() == 0) {
            files.write(work.directory(), place -> engine.save(Optional.of(place), others));
          } else {
            engine.save(Optional.empty(), others);
          }
          return new RoleWorker.Finished();
        });
  }

  private RoleEngine.Gathering gathering(RoleWorker.Together together, Peers peers) {
    Carrier carrier = carrier(together, peers);
    AtomicInteger number = new AtomicInteger();
    return (own, counts) -> carrier.gather(number.getAndIncrement(), own, counts);
  }

  /** What another replica failed by is told as that one's. */
  private RoleWorker.Reply exchanged(
      RoleWorker.Together together, Function<Peers, RoleWorker.Reply> work) {
    exchange.begin(together.exchange());
    try (Company company = new Company(together, watcher)) {
      return work.apply(new Peers(together, exchange, exchanger, system, company.lost()));
    } catch (RuntimeException | Error e) {
      membership.close();
      RoleWorker.Reply failed =
          e instanceof RoleException other
              ? new RoleWorker.Failed(String.valueOf(other.getMessage()), other.isUsers())
              : failed(e);
      exchange.fail((RoleWorker.Failed) failed);
      return failed;
    }
  }

  private Carrier carrier(RoleWorker.Together together, Peers peers) {
    RoleWorker.Carriage carriage = together.carriage();
    return carriage.byGloo()
        ? GlooCarrier.of(peers, membership, carriage)
        : new MessageCarrier(peers);
  }

  private RoleWorker.Reply closed() {
    membership.close();
    RoleEngine open = engine;
    if (open != null) {
      open.close();
      engine = null;
    }
    return new RoleWorker.Finished();
  }

  private RoleEngine opened() {
    RoleEngine open = engine;
    if (open == null) {
      open = opener.get();
      engine = open;
      progress = open::progress;
    }
    return open;
  }

  private RoleWorker.Reply failed(Throwable failure) {
    Throwable cause =
        failure instanceof java.util.concurrent.CompletionException && failure.getCause() != null
            ? failure.getCause()
            : failure;
    Optional<String> shortage = Shortage.of(cause);
    if (shortage.isPresent()) {
      return new RoleWorker.Failed(
          "the " + spec.name() + " on " + node + ": " + shortage.get(), false);
    }
    boolean users =
        cause instanceof CheckpointException
            || cause instanceof EngineException
            || cause instanceof GenerationException;
    if (!users) {
      LOG.error("[{}] on [{}] failed", spec.name(), node, cause);
    }
    String message = cause.getMessage() == null ? cause.toString() : cause.getMessage();
    return new RoleWorker.Failed(
        users ? message : "the " + spec.name() + " on " + node + " failed: " + message, users);
  }

  private void report(String state, String activity) {
    listener.tell(
        new RoleStatus(
            spec.name(),
            node,
            state,
            activity,
            readings.adapterVersion(),
            readings.memoryBytes(),
            readings.phaseSeconds(),
            readings.kernels()));
  }

  private Behavior<RoleWorker.Command> onPostStop(PostStop signal) {
    thread.execute(this::closed);
    thread.shutdown();
    return this;
  }
}
