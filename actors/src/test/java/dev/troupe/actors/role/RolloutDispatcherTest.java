package dev.troupe.actors.role;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Part;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.message.Node;
import dev.troupe.protocol.message.RoleStatus;
import dev.troupe.protocol.message.RoleWorker;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(120)
class RolloutDispatcherTest {
  private static final ActorTestKit KIT = ActorTestKit.create();
  private static final SamplingSettings SETTINGS = new SamplingSettings(4, 1, 0, 1, List.of(), 9);
  private static final RoleWorker.Step STEP = new RoleWorker.Step(Optional.empty());
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

  private final TestProbe<RoleWorker.Command> learner =
      KIT.createTestProbe(RoleWorker.Command.class);
  private final TestProbe<Node.Command> home = KIT.createTestProbe(Node.Command.class);
  private final TestProbe<RoleStatus> statuses = KIT.createTestProbe(RoleStatus.class);
  private final TestProbe<RoleWorker.Reply> replies = KIT.createTestProbe(RoleWorker.Reply.class);
  private final List<Place> places = new ArrayList<>();

  /** A node, and the worker that is opened there. */
  private static final class Place {
    final TestProbe<Node.Command> node = KIT.createTestProbe(Node.Command.class);
    final TestProbe<RoleWorker.Command> worker = KIT.createTestProbe(RoleWorker.Command.class);
    final String name;

    Place(String name) {
      this.name = name;
    }

    /** Up to its load, which is not yet answered. */
    RoleWorker.Request opens() {
      Node.Open open = node.expectMessageClass(Node.Open.class);
      open.replyTo().tell(new Node.Opened(worker.getRef(), name));
      RoleWorker.Request load = worker.expectMessageClass(RoleWorker.Request.class);
      assertThat(load.work()).isInstanceOf(RoleWorker.Load.class);
      return load;
    }

    Place loads() {
      opens().replyTo().tell(new RoleWorker.Finished());
      return this;
    }

    RoleWorker.Request isAsked(Class<? extends RoleWorker.Work> what) {
      RoleWorker.Request request = worker.expectMessageClass(RoleWorker.Request.class);
      assertThat(request.work()).isInstanceOf(what);
      return request;
    }

    /** From whom. */
    ActorRef<RoleWorker.Command> takes(long version) {
      RoleWorker.Request request = isAsked(RoleWorker.Take.class);
      RoleWorker.Take take = (RoleWorker.Take) request.work();
      assertThat(take.adapterVersion()).isEqualTo(version);
      assertThat(take.parts()).isEqualTo(2);
      request.replyTo().tell(new RoleWorker.Finished());
      return take.lender();
    }

    Place answers(long version) {
      answer(isAsked(RoleWorker.Generate.class), version);
      return this;
    }

    void dies() {
      worker.stop();
    }
  }

  @AfterAll
  static void stop() {
    KIT.shutdownTestKit();
  }

  /** Of prompts that nobody is left to answer. */
  private Duration patience = Duration.ZERO;

  private ActorRef<RolloutDispatcher.Command> dispatcher(int workers) {
    return dispatcher(workers, Duration.ofSeconds(60));
  }

  private ActorRef<RolloutDispatcher.Command> dispatcher(int workers, Duration deadline) {
    return dispatcher(SPEC, workers, deadline);
  }

  private ActorRef<RolloutDispatcher.Command> dispatcher(
      RoleSpec spec, int workers, Duration deadline) {
    for (int i = 1; i <= workers; i++) {
      places.add(new Place("node-" + i));
    }
    ActorRef<RolloutDispatcher.Command> dispatcher =
        KIT.spawn(
            RolloutDispatcher.create(
                spec,
                home.getRef(),
                new RolloutDispatcher.Company(
                    places.stream().map(place -> place.node.getRef()).toList(),
                    statuses.getRef(),
                    deadline,
                    Node.Terms.NONE,
                    patience)));
    Node.Open open = home.expectMessageClass(Node.Open.class);
    assertThat(open.spec()).isEqualTo(spec);
    open.replyTo().tell(new Node.Opened(learner.getRef(), "home"));
    return dispatcher;
  }

  private static List<Prompt> prompts(int count) {
    return IntStream.range(0, count)
        .mapToObj(i -> new Prompt("p" + i, "prompt " + i, TokenIds.of(i)))
        .toList();
  }

  private static List<Rollout> rollouts(RoleWorker.Generate work, long version) {
    return work.prompts().stream()
        .flatMap(
            prompt ->
                IntStream.range(0, work.answers())
                    .mapToObj(
                        i ->
                            new Rollout(
                                prompt,
                                TokenIds.of(i),
                                prompt.id() + "/" + i,
                                Floats.of(-i),
                                FinishReason.EOS,
                                version)))
        .toList();
  }

  private static void answer(RoleWorker.Request request, long version) {
    request
        .replyTo()
        .tell(
            new RoleWorker.Generated(
                rollouts((RoleWorker.Generate) request.work(), version), true));
  }

  private RoleWorker.Generate ask(
      ActorRef<RolloutDispatcher.Command> dispatcher, int prompts, int answers) {
    RoleWorker.Generate work = new RoleWorker.Generate(prompts(prompts), answers, SETTINGS);
    dispatcher.tell(new RolloutDispatcher.Ask(work, replies.getRef()));
    return work;
  }

  private RoleWorker.Request learnerIsAsked(Class<? extends RoleWorker.Work> what) {
    RoleWorker.Request request = learner.expectMessageClass(RoleWorker.Request.class);
    assertThat(request.work()).isInstanceOf(what);
    return request;
  }

  private void learnerLends(long version) {
    learnerIsAsked(RoleWorker.Lend.class).replyTo().tell(new RoleWorker.Lent(version, 2));
  }

  private void expectAnswers(RoleWorker.Generate work, long version) {
    assertThat(replies.expectMessageClass(RoleWorker.Generated.class).rollouts())
        .isEqualTo(rollouts(work, version));
  }

  private String failure() {
    return replies.expectMessageClass(RoleWorker.Failed.class).reason();
  }

  @Test
  void prompts_withoutWorkers_areTheLearners() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(0);
    RoleWorker.Generate work = ask(dispatcher, 3, 2);
    RoleWorker.Request asked = learnerIsAsked(RoleWorker.Generate.class);
    assertThat(asked.work()).isEqualTo(work);
    answer(asked, 5);
    expectAnswers(work, 5);
  }

  /** Where one worker's log-probabilities depend on what it samples at once, all are scored. */
  @ParameterizedTest
  @CsvSource({
    "AUTO, true, true, false",
    "AUTO, true, false, true",
    "ALWAYS, true, true, true",
    "NEVER, false, false, false"
  })
  void answers_areScoredAgain_whereTheyDependOnWhatWasSampledBesideThem(
      Numerics.Strict strict, boolean firstByRow, boolean secondByRow, boolean scored) {
    ActorRef<RolloutDispatcher.Command> dispatcher =
        dispatcher(SPEC.with(SPEC.numerics().strict(strict)), 2, Duration.ofSeconds(60));
    RoleWorker.Generate work = ask(dispatcher, 32, 1);
    learnerLends(3);
    List<RoleWorker.Request> requests = new ArrayList<>();
    for (Place place : places) {
      place.loads().takes(3);
      requests.add(place.isAsked(RoleWorker.Generate.class));
    }
    for (int i = 0; i < 2; i++) {
      RoleWorker.Request request = requests.get(i);
      request
          .replyTo()
          .tell(
              new RoleWorker.Generated(
                  rollouts((RoleWorker.Generate) request.work(), 3),
                  i == 0 ? firstByRow : secondByRow));
    }
    if (!scored) {
      expectAnswers(work, 3);
      return;
    }
    RoleWorker.Request request = learnerIsAsked(RoleWorker.Evaluate.class);
    RoleWorker.Evaluate evaluate = (RoleWorker.Evaluate) request.work();
    assertThat(evaluate.sequences()).hasSize(32);
    TokenOutputs said = new TokenOutputs(Floats.of(-7), Floats.EMPTY, Floats.EMPTY);
    request.replyTo().tell(new RoleWorker.Evaluated(Collections.nCopies(32, said)));
    assertThat(replies.expectMessageClass(RoleWorker.Generated.class).rollouts())
        .hasSize(32)
        .allSatisfy(rollout -> assertThat(rollout.logprobs()).isEqualTo(Floats.of(-7)));
  }

  /** 40 prompts for two are portions of 16, 16 and 8. */
  @Test
  void prompts_areCut_aFreeWorkerGetsTheNext_andOrderIsKept() {
    RoleWorker.Generate work = ask(dispatcher(2), 40, 3);
    learnerLends(7);
    Place one = places.get(0).loads();
    assertThat(one.takes(7)).isEqualTo(learner.getRef());
    RoleWorker.Request first = one.isAsked(RoleWorker.Generate.class);
    assertThat(first.work()).isEqualTo(new RoleWorker.Generate(prompts(16), 3, SETTINGS));
    Place two = places.get(1).loads();
    two.takes(7);
    two.answers(7).answers(7);
    replies.expectNoMessage(Duration.ofMillis(50));
    answer(first, 7);
    expectAnswers(work, 7);
  }

  @Test
  void worker_lost_itsPortionGoesToAnother_andIsTold() {
    RoleWorker.Generate work = ask(dispatcher(2), 32, 1);
    learnerLends(1);
    Place one = places.get(0).loads();
    one.takes(1);
    RoleWorker.Request had = one.isAsked(RoleWorker.Generate.class);
    Place two = places.get(1).loads();
    two.takes(1);
    RoleWorker.Request has = two.isAsked(RoleWorker.Generate.class);
    one.dies();
    RoleStatus lost = statuses.receiveMessage();
    assertThat(lost.role() + " " + lost.node() + " " + lost.state())
        .isEqualTo("rollout-1 node-1 failed");
    assertThat(lost.activity())
        .isEqualTo("its node ended; others answer its prompts (it was to generate 16)");
    answer(has, 1);
    RoleWorker.Request again = two.isAsked(RoleWorker.Generate.class);
    assertThat(again.work()).isEqualTo(had.work());
    // An answer that was under way is too late.
    answer(had, 9);
    answer(again, 1);
    expectAnswers(work, 1);
  }

  /**
   * The takes of workers that have ended fail at once, while others are being handed out: every
   * lender is still there for those who live.
   */
  @Test
  void take_thatFailsAtOnce_leavesTheLendersToOthers() {
    RoleWorker.Generate work = ask(dispatcher(4), 4, 1);
    places.forEach(Place::loads);
    places.get(0).dies();
    places.get(1).dies();
    places.get(2).dies();
    learnerLends(1);
    Place last = places.get(3);
    assertThat(last.takes(1)).isEqualTo(learner.getRef());
    for (int portion = 0; portion < 4; portion++) {
      last.answers(1);
    }
    expectAnswers(work, 1);
  }

  @Test
  void workers_allLost_failTheRound_andTheNextOne() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(2);
    ask(dispatcher, 40, 1);
    learnerLends(1);
    places.forEach(Place::loads);
    places.get(0).takes(1);
    places.get(0).answers(1);
    places.get(0).isAsked(RoleWorker.Generate.class);
    places.forEach(Place::dies);
    assertThat(failure())
        .startsWith(
            "every rollout worker is lost: their nodes ended, and 2 portions of the prompts have no"
                + " answer");
    ask(dispatcher, 1, 1);
    learnerLends(1);
    assertThat(failure()).startsWith("every rollout worker is lost");
  }

  @Test
  void node_lost_beforeItsWorkerIsOpen_isGoneWithout() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(3);
    dispatcher.tell(new RolloutDispatcher.Ended(places.get(2).node.getRef()));
    RoleWorker.Generate work = ask(dispatcher, 2, 1);
    places.get(0).node.expectMessageClass(Node.Open.class);
    dispatcher.tell(new RolloutDispatcher.Ended(places.get(0).node.getRef()));
    assertThat(List.of(statuses.receiveMessage().role(), statuses.receiveMessage().role()))
        .containsExactly("rollout-1", "rollout-2");
    learnerLends(1);
    places.get(1).loads().takes(1);
    places.get(1).answers(1).answers(1);
    expectAnswers(work, 1);
  }

  /**
   * Where nodes are started again, the last one that is lost costs what it had, and not the run.
   */
  @Test
  void workers_allLost_areWaitedFor_andWhoComesAnswersWhatIsLeft() {
    patience = Duration.ofSeconds(60);
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(1);
    RoleWorker.Generate work = ask(dispatcher, 80, 1);
    learnerLends(1);
    Place one = places.get(0).loads();
    one.takes(1);
    one.answers(1);
    one.isAsked(RoleWorker.Generate.class);
    one.dies();
    replies.expectNoMessage(Duration.ofMillis(100));
    Place gained = new Place("node-9");
    dispatcher.tell(new RolloutDispatcher.Gained(gained.node.getRef()));
    Node.Open open = gained.node.expectMessageClass(Node.Open.class);
    open.replyTo().tell(new Node.Opened(gained.worker.getRef(), gained.name));
    gained.isAsked(RoleWorker.Load.class).replyTo().tell(new RoleWorker.Finished());
    gained.takes(1);
    // 80 prompts for one are four portions of 20.
    for (int portion = 0; portion < 3; portion++) {
      gained.answers(1);
    }
    expectAnswers(work, 1);
  }

  @Test
  void workers_allLost_andNobodyComes_failTheRoundInTheEnd() {
    patience = Duration.ofMillis(200);
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(1);
    ask(dispatcher, 40, 1);
    learnerLends(1);
    places.get(0).loads().dies();
    assertThat(failure()).startsWith("every rollout worker is lost");
  }

  @Test
  void worker_gained_takesPart_alsoInTheRoundUnderWay() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(1);
    RoleWorker.Generate work = ask(dispatcher, 80, 1);
    learnerLends(1);
    Place one = places.get(0).loads();
    one.takes(1);
    RoleWorker.Request first = one.isAsked(RoleWorker.Generate.class);
    Place gained = new Place("node-9");
    dispatcher.tell(new RolloutDispatcher.Gained(gained.node.getRef()));
    Node.Open open = gained.node.expectMessageClass(Node.Open.class);
    assertThat(open.spec().name()).isEqualTo("rollout-2");
    open.replyTo().tell(new Node.Opened(gained.worker.getRef(), gained.name));
    gained.isAsked(RoleWorker.Load.class).replyTo().tell(new RoleWorker.Finished());
    gained.takes(1);
    // 80 prompts for one are four portions of 20.
    gained.answers(1).answers(1).answers(1);
    answer(first, 1);
    expectAnswers(work, 1);
  }

  /** Two take from the learner, the third from one of these, which has them by then. */
  @Test
  void weights_areLentOn_andTakenAnewWithEachVersion() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(3);
    ask(dispatcher, 3, 1);
    places.forEach(Place::loads);
    learnerLends(1);
    RoleWorker.Request one = places.get(0).isAsked(RoleWorker.Take.class);
    places.get(1).isAsked(RoleWorker.Take.class);
    places.get(2).worker.expectNoMessage(Duration.ofMillis(50));
    one.replyTo().tell(new RoleWorker.Finished());
    ActorRef<RoleWorker.Command> lender =
        ((RoleWorker.Take) places.get(2).isAsked(RoleWorker.Take.class).work()).lender();
    assertThat(lender).isIn(learner.getRef(), places.get(0).worker.getRef());
    places.get(0).answers(1).answers(1).answers(1);
    assertThat(replies.expectMessageClass(RoleWorker.Generated.class).rollouts()).hasSize(3);

    ask(dispatcher, 1, 1);
    learnerLends(1);
    places.get(0).answers(1);
    replies.expectMessageClass(RoleWorker.Generated.class);
    ask(dispatcher, 1, 1);
    learnerLends(2);
    places.get(0).takes(2);
    places.get(0).answers(2);
    replies.expectMessageClass(RoleWorker.Generated.class);
  }

  /** That a lender has ended, whoever takes from it may notice first. */
  @Test
  void take_fromALenderThatFails_isTriedFromAnother() {
    ask(dispatcher(4), 4, 1);
    learnerLends(1);
    Place first = places.get(0).loads();
    first.takes(1);
    first.isAsked(RoleWorker.Generate.class);
    // The learner lends to two at a time, so that one of three takes from the first.
    List<RoleWorker.Request> takes = new ArrayList<>();
    for (Place place : places.subList(1, 4)) {
      takes.add(place.loads().isAsked(RoleWorker.Take.class));
    }
    int failing = 0;
    for (int i = 0; i < takes.size(); i++) {
      boolean ofFirst =
          ((RoleWorker.Take) takes.get(i).work()).lender().equals(first.worker.getRef());
      failing = ofFirst ? i : failing;
    }
    takes.get(failing).replyTo().tell(new RoleWorker.Failed("the lender ended", false));
    for (int i = 0; i < takes.size(); i++) {
      if (i != failing) {
        takes.get(i).replyTo().tell(new RoleWorker.Finished());
      }
    }
    assertThat(places.get(1 + failing).takes(1)).isNotEqualTo(first.worker.getRef());
    replies.expectNoMessage(Duration.ofMillis(50));
  }

  @Test
  void restore_makesOldVersionsWorthless() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(1);
    ask(dispatcher, 1, 1);
    learnerLends(1);
    Place one = places.get(0).loads();
    one.takes(1);
    one.answers(1);
    replies.expectMessageClass(RoleWorker.Generated.class);
    dispatcher.tell(new RolloutDispatcher.Ask(new RoleWorker.Restore("there"), replies.getRef()));
    learnerIsAsked(RoleWorker.Restore.class).replyTo().tell(new RoleWorker.Finished());
    replies.expectMessageClass(RoleWorker.Finished.class);
    ask(dispatcher, 1, 1);
    learnerLends(1);
    one.takes(1);
    one.answers(1);
    replies.expectMessageClass(RoleWorker.Generated.class);
  }

  @Test
  void answers_ofOtherWeights_orTooFew_areRefused() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(1);
    ask(dispatcher, 1, 2);
    learnerLends(4);
    Place one = places.get(0).loads();
    one.takes(4);
    one.answers(3);
    assertThat(failure())
        .isEqualTo(
            "rollout-1 on node-1 answered with weights of version 3, the policy's are of version"
                + " 4");
    ask(dispatcher, 1, 2);
    learnerLends(4);
    RoleWorker.Request request = one.isAsked(RoleWorker.Generate.class);
    request.replyTo().tell(new RoleWorker.Generated(List.of(), true));
    assertThat(failure()).isEqualTo("rollout-1 on node-1 was asked for 2 answers, gave 0");
  }

  @Test
  void answers_toOtherPrompts_areRefused() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(1);
    ask(dispatcher, 2, 1);
    learnerLends(4);
    Place one = places.get(0).loads();
    one.takes(4);
    RoleWorker.Request request = one.isAsked(RoleWorker.Generate.class);
    List<Rollout> turned = new ArrayList<>(rollouts((RoleWorker.Generate) request.work(), 4));
    Collections.reverse(turned);
    request.replyTo().tell(new RoleWorker.Generated(turned, true));
    assertThat(failure())
        .isEqualTo("rollout-1 on node-1 answered the prompt p1 where p0 was asked: answer 1 of 2");
  }

  @Test
  void worker_thatLivesAndFails_failsTheRound_andOnlyThat() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(2);
    ask(dispatcher, 2, 1);
    learnerLends(1);
    places.forEach(Place::loads);
    places.forEach(place -> place.takes(1));
    RoleWorker.Request slow = places.get(1).isAsked(RoleWorker.Generate.class);
    places
        .get(0)
        .isAsked(RoleWorker.Generate.class)
        .replyTo()
        .tell(new RoleWorker.Failed("too long a prompt", true));
    assertThat(replies.expectMessageClass(RoleWorker.Failed.class))
        .isEqualTo(new RoleWorker.Failed("too long a prompt", true));
    RoleWorker.Generate next = ask(dispatcher, 2, 1);
    learnerLends(1);
    places.get(0).answers(1);
    // The other is still at the portion of the round that failed; its answer is nobody's.
    places.get(0).answers(1);
    expectAnswers(next, 1);
    answer(slow, 1);
    replies.expectNoMessage(Duration.ofMillis(50));
  }

  @Test
  void worker_thatCannotLoad_isTheUsersError_nowAndLater() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(1);
    RoleWorker.Failed missing = new RoleWorker.Failed("nowhere/config.json is missing", true);
    ask(dispatcher, 1, 1);
    places.get(0).opens().replyTo().tell(missing);
    assertThat(replies.receiveMessage()).isEqualTo(missing);
    ask(dispatcher, 1, 1);
    assertThat(replies.receiveMessage()).isEqualTo(missing);
  }

  private void asks(ActorRef<RolloutDispatcher.Command> dispatcher, RoleWorker.Work work) {
    dispatcher.tell(new RolloutDispatcher.Ask(work, replies.getRef()));
  }

  private void steps(long version) {
    learnerIsAsked(RoleWorker.Step.class)
        .replyTo()
        .tell(new RoleWorker.Stepped(new StepResult(1, 1, true, version)));
    replies.expectMessageClass(RoleWorker.Stepped.class);
  }

  /** What it lends is a copy; what it becomes by a restore, no copy is of. */
  @Test
  void learner_goesOnWhileItsPromptsAreAnswered_butIsNotRestored() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(1);
    RoleWorker.Generate work = ask(dispatcher, 1, 1);
    asks(dispatcher, STEP);
    asks(dispatcher, new RoleWorker.Restore("there"));
    asks(dispatcher, new RoleWorker.Save("there"));
    learnerLends(1);
    steps(2);
    learner.expectNoMessage(Duration.ofMillis(50));
    Place one = places.get(0).loads();
    one.takes(1);
    one.answers(1);
    expectAnswers(work, 1);
    learnerIsAsked(RoleWorker.Restore.class);
    learnerIsAsked(RoleWorker.Save.class);
  }

  /** A worker that has nothing left of the first prompts goes on to the next, by newer weights. */
  @Test
  void prompts_ofDifferentWeights_areUnderWayAtOnce_theOldestFirst() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(2);
    RoleWorker.Generate first = ask(dispatcher, 32, 1);
    learnerLends(1);
    for (Place place : places) {
      place.loads().takes(1);
    }
    // It has its portion before the other is done with its own.
    RoleWorker.Request late = places.get(1).isAsked(RoleWorker.Generate.class);
    asks(dispatcher, STEP);
    steps(2);
    RoleWorker.Generate second = ask(dispatcher, 16, 1);
    assertThat(((RoleWorker.Lend) learnerIsAskedToLend(2)).oldest()).isEqualTo(1);
    Place one = places.get(0).answers(1);
    one.takes(2);
    one.answers(2).answers(2);
    expectAnswers(second, 2);
    answer(late, 1);
    expectAnswers(first, 1);
    RoleWorker.Generate third = ask(dispatcher, 2, 1);
    assertThat(((RoleWorker.Lend) learnerIsAskedToLend(2)).oldest()).isEqualTo(Long.MAX_VALUE);
    RoleWorker.Request half = one.isAsked(RoleWorker.Generate.class);
    places.get(1).takes(2);
    places.get(1).answers(2);
    answer(half, 2);
    expectAnswers(third, 2);
  }

  private RoleWorker.Work learnerIsAskedToLend(long version) {
    RoleWorker.Request request = learnerIsAsked(RoleWorker.Lend.class);
    request.replyTo().tell(new RoleWorker.Lent(version, 2));
    return request.work();
  }

  /** Whoever has newer weights by then takes the older once more, for as much as is left. */
  @Test
  void worker_lost_itsPortionOfOlderWeightsGoesToOneThatTakesThemAgain() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(2);
    RoleWorker.Generate first = ask(dispatcher, 32, 1);
    learnerLends(1);
    for (Place place : places) {
      place.loads().takes(1);
    }
    asks(dispatcher, STEP);
    steps(2);
    RoleWorker.Generate second = ask(dispatcher, 48, 1);
    learnerLends(2);
    Place lost = places.get(0);
    Place other = places.get(1);
    lost.isAsked(RoleWorker.Generate.class);
    other.answers(1);
    other.takes(2);
    RoleWorker.Request newer = other.isAsked(RoleWorker.Generate.class);
    lost.dies();
    assertThat(statuses.receiveMessage().state()).isEqualTo("failed");
    answer(newer, 2);
    assertThat(other.takes(1)).isIn(learner.getRef(), other.worker.getRef());
    other.answers(1);
    expectAnswers(first, 1);
    other.takes(2);
    other.answers(2).answers(2);
    expectAnswers(second, 2);
  }

  @Test
  void answers_areToldPartByPart_asSoonAsAPartIsThere() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(2);
    TestProbe<Part> heard = KIT.createTestProbe(Part.class);
    RoleWorker.Generate work = new RoleWorker.Generate(prompts(80), 1, SETTINGS);
    dispatcher.tell(
        new RolloutDispatcher.Ask(
            work,
            (part, answers) -> {
              assertThat(answers).isEqualTo(part.answers(rollouts(work, 1), 1));
              heard.getRef().tell(part);
            },
            replies.getRef()));
    learnerLends(1);
    // 80 prompts for two are portions of 16, parts of 32.
    Place slow = places.get(0).loads();
    slow.takes(1);
    RoleWorker.Request first = slow.isAsked(RoleWorker.Generate.class);
    Place quick = places.get(1).loads();
    quick.takes(1);
    quick.answers(1).answers(1).answers(1).answers(1);
    heard.expectMessage(new Part(32, 64));
    heard.expectMessage(new Part(64, 80));
    replies.expectNoMessage(Duration.ofMillis(50));
    answer(first, 1);
    heard.expectMessage(new Part(0, 32));
    expectAnswers(work, 1);
  }

  /**
   * Where log-probabilities may have to be computed again, the weights that sampled must be there.
   */
  @Test
  void learner_staysAsItIs_untilItIsKnownThatItNeedNotScoreAgain() {
    ActorRef<RolloutDispatcher.Command> dispatcher =
        dispatcher(
            SPEC.with(SPEC.numerics().strict(Numerics.Strict.AUTO)), 2, Duration.ofSeconds(60));
    RoleWorker.Generate first = ask(dispatcher, 32, 1);
    asks(dispatcher, STEP);
    learnerLends(1);
    learner.expectNoMessage(Duration.ofMillis(50));
    for (Place place : places) {
      place.loads().takes(1);
    }
    List<RoleWorker.Request> portions = portions();
    answer(portions.get(0), 1);
    steps(2);
    answer(portions.get(1), 1);
    expectAnswers(first, 1);

    RoleWorker.Generate second = ask(dispatcher, 32, 1);
    learnerLends(2);
    asks(dispatcher, STEP);
    steps(3);
    for (Place place : places) {
      place.takes(2);
    }
    portions = portions();
    answer(portions.get(0), 2);
    RoleWorker.Request request = portions.get(1);
    request
        .replyTo()
        .tell(new RoleWorker.Generated(rollouts((RoleWorker.Generate) request.work(), 2), false));
    assertThat(second.prompts()).hasSize(32);
    assertThat(failure())
        .startsWith("rollout-2 on node-2 gave log-probabilities that depend on what it sampled")
        .contains("rollouts.staleness", "engine.strict");
  }

  /** One for each place: whoever is done early with its own would take another's. */
  private List<RoleWorker.Request> portions() {
    return places.stream().map(place -> place.isAsked(RoleWorker.Generate.class)).toList();
  }

  @Test
  void learner_lost_answersEverythingThatIsOpen_andAllThatComes() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(1);
    dispatcher.tell(new RolloutDispatcher.Ask(STEP, replies.getRef()));
    ask(dispatcher, 1, 1);
    learner.stop();
    String reason =
        "the policy is lost: its node home ended while it was to %s. See that node's log; the run"
            + " can be resumed";
    assertThat(List.of(failure(), failure()))
        .containsExactlyInAnyOrder(
            String.format(Locale.ROOT, reason, "step"),
            String.format(Locale.ROOT, reason, "lend weights"));
    dispatcher.tell(new RolloutDispatcher.Ask(new RoleWorker.Save("there"), replies.getRef()));
    assertThat(failure()).isEqualTo(String.format(Locale.ROOT, reason, "save"));
  }

  @Test
  void learner_whoseNodeEndsBeforeItIsThere_isLost() {
    ActorRef<RolloutDispatcher.Command> dispatcher =
        KIT.spawn(
            RolloutDispatcher.create(
                SPEC,
                home.getRef(),
                new RolloutDispatcher.Company(
                    List.of(),
                    statuses.getRef(),
                    Duration.ofSeconds(60),
                    Node.Terms.NONE,
                    Duration.ZERO)));
    dispatcher.tell(new RolloutDispatcher.Ask(STEP, replies.getRef()));
    home.expectMessageClass(Node.Open.class);
    dispatcher.tell(new RolloutDispatcher.Ended(home.getRef()));
    assertThat(failure())
        .startsWith("the policy is lost: its node ")
        .endsWith(" ended before it was there. See that node's log; the run can be resumed");
    dispatcher.tell(new RolloutDispatcher.Close(replies.getRef()));
    replies.expectMessageClass(RoleWorker.Finished.class);
  }

  @Test
  void request_overdue_namesTheCulprit() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(0, Duration.ofMillis(100));
    dispatcher.tell(new RolloutDispatcher.Ask(new RoleWorker.Save("there"), replies.getRef()));
    learnerIsAsked(RoleWorker.Save.class);
    assertThat(failure())
        .isEqualTo(
            "the policy on home did not answer 'save' within 0 s"
                + " (cluster.request-timeout-seconds)");
  }

  /** Answers that are still on their way are nobody's. */
  @Test
  void close_stopsEveryWorker_thenItself() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(1);
    ask(dispatcher, 1, 1);
    learnerLends(1);
    Place one = places.get(0).loads();
    one.takes(1);
    RoleWorker.Request open = one.isAsked(RoleWorker.Generate.class);
    dispatcher.tell(new RolloutDispatcher.Close(replies.getRef()));
    assertThat(failure()).isEqualTo("the policy was closed while prompts were being answered");
    answer(open, 1);
    learner.expectMessageClass(RoleWorker.Stop.class).replyTo().tell(new RoleWorker.Finished());
    replies.expectNoMessage(Duration.ofMillis(50));
    one.worker.expectMessageClass(RoleWorker.Stop.class).replyTo().tell(new RoleWorker.Finished());
    replies.expectMessageClass(RoleWorker.Finished.class);
    replies.expectTerminated(dispatcher);
    statuses.expectNoMessage(Duration.ofMillis(50));
  }

  @Test
  void actor_thatIsStopped_answersWhatIsOpen() {
    ActorRef<RolloutDispatcher.Command> dispatcher = dispatcher(1);
    dispatcher.tell(new RolloutDispatcher.Ask(STEP, replies.getRef()));
    ask(dispatcher, 1, 1);
    dispatcher.tell(new RolloutDispatcher.Ask(new RoleWorker.Save("there"), replies.getRef()));
    learnerIsAsked(RoleWorker.Step.class);
    learnerIsAsked(RoleWorker.Lend.class);
    // When this is done, so is all before it.
    Place gained = new Place("node-9");
    dispatcher.tell(new RolloutDispatcher.Gained(gained.node.getRef()));
    gained.node.expectMessageClass(Node.Open.class);
    KIT.stop(dispatcher);
    assertThat(List.of(failure(), failure(), failure()))
        .allMatch(reason -> reason.startsWith("the policy is lost: its node home ended"));
  }

  private record Held(ActorRef<RoleWorker.Command> worker, RoleWorker.Request request) {}

  private record Die() implements RoleWorker.Command {}

  /** Hands every request to the test. */
  private static Behavior<RoleWorker.Command> holding(BlockingQueue<Object> held) {
    return Behaviors.setup(
        context ->
            Behaviors.receive(RoleWorker.Command.class)
                .onMessage(
                    RoleWorker.Request.class,
                    request -> {
                      held.add(new Held(context.getSelf(), request));
                      return Behaviors.same();
                    })
                .onMessage(Die.class, die -> Behaviors.stopped())
                .build());
  }

  private static Behavior<Node.Command> node(String name, BlockingQueue<Object> held) {
    return Behaviors.setup(
        context ->
            Behaviors.receive(Node.Command.class)
                .onMessage(
                    Node.Open.class,
                    open -> {
                      open.replyTo()
                          .tell(new Node.Opened(context.spawnAnonymous(holding(held)), name));
                      return Behaviors.same();
                    })
                .build());
  }

  /** Workers answer in any order, some die and some come; one lives. */
  @Test
  void answers_areTheSame_howeverThePortionsGo() throws Exception {
    long seed = 20261129;
    Random random = new Random(seed);
    for (int trial = 0; trial < 40; trial++) {
      BlockingQueue<Object> held = new LinkedBlockingQueue<>();
      int workers = 1 + random.nextInt(5);
      List<ActorRef<Node.Command>> nodes = new ArrayList<>();
      for (int i = 0; i < workers; i++) {
        nodes.add(KIT.spawn(node("n" + random.nextInt(3), held)));
      }
      ActorRef<RoleWorker.Command> learns = KIT.spawn(holding(held));
      ActorRef<Node.Command> at =
          KIT.spawn(
              Behaviors.receive(Node.Command.class)
                  .onMessage(
                      Node.Open.class,
                      open -> {
                        open.replyTo().tell(new Node.Opened(learns, "n0"));
                        return Behaviors.same();
                      })
                  .build());
      ActorRef<RolloutDispatcher.Command> dispatcher =
          KIT.spawn(
              RolloutDispatcher.create(
                  SPEC,
                  at,
                  new RolloutDispatcher.Company(
                      nodes,
                      KIT.system().ignoreRef(),
                      Duration.ofSeconds(60),
                      Node.Terms.NONE,
                      Duration.ZERO)));
      RoleWorker.Generate work =
          new RoleWorker.Generate(
              prompts(1 + random.nextInt(200)), 1 + random.nextInt(3), SETTINGS);
      ActorRef<RoleWorker.Reply> asker =
          KIT.spawn(
              Behaviors.receive(RoleWorker.Reply.class)
                  .onAnyMessage(
                      reply -> {
                        held.add(reply);
                        return Behaviors.same();
                      })
                  .build());
      dispatcher.tell(new RolloutDispatcher.Ask(work, asker));
      int mayDie = workers - 1;
      List<Held> open = new ArrayList<>();
      List<ActorRef<RoleWorker.Command>> dead = new ArrayList<>();
      RoleWorker.Reply answered = null;
      while (answered == null) {
        Object next = held.poll(open.isEmpty() ? 20_000 : 1, TimeUnit.MILLISECONDS);
        if (next instanceof RoleWorker.Reply reply) {
          answered = reply;
          continue;
        }
        if (next instanceof Held request) {
          open.add(request);
        }
        assertThat(open).as("seed %d, trial %d: nothing happens", seed, trial).isNotEmpty();
        Held chosen = open.remove(random.nextInt(open.size()));
        if (dead.contains(chosen.worker())) {
          continue;
        }
        RoleWorker.Work what = chosen.request().work();
        if (!chosen.worker().equals(learns) && mayDie > 0 && random.nextInt(4) == 0) {
          mayDie--;
          dead.add(chosen.worker());
          chosen.worker().tell(new Die());
          if (random.nextBoolean()) {
            mayDie++;
            dispatcher.tell(
                new RolloutDispatcher.Gained(KIT.spawn(node("n" + random.nextInt(3), held))));
          }
        } else if (what instanceof RoleWorker.Take take && dead.contains(take.lender())) {
          chosen.request().replyTo().tell(new RoleWorker.Failed("the lender is gone", false));
        } else if (what instanceof RoleWorker.Generate) {
          answer(chosen.request(), 6);
        } else if (what instanceof RoleWorker.Lend) {
          chosen.request().replyTo().tell(new RoleWorker.Lent(6, 2));
        } else {
          chosen.request().replyTo().tell(new RoleWorker.Finished());
        }
      }
      assertThat(answered)
          .as("seed %d, trial %d, %d workers", seed, trial, workers)
          .isEqualTo(new RoleWorker.Generated(rollouts(work, 6), true));
      KIT.stop(dispatcher);
    }
  }
}
