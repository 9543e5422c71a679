package dev.troupe.actors.role;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.message.Node;
import dev.troupe.protocol.message.RoleStatus;
import dev.troupe.protocol.message.RoleWorker;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ReplicasTest {
  private static final ActorTestKit KIT = ActorTestKit.create();
  private static final RoleWorker.Step STEP = new RoleWorker.Step(Optional.empty());
  private static final StepResult DONE = new StepResult(1, 1e-3, true, 1);
  private static final RoleWorker.Fingerprinted SAME =
      new RoleWorker.Fingerprinted("9 bytes, 00000001", "0000000000000002");
  private static final Sequence SEQUENCE = Sequence.ofTargets(TokenIds.of(1, 2, 3), 1);
  private static final RoleSpec SPEC =
      new RoleSpec(
          "policy",
          "nowhere",
          Optional.empty(),
          new Tuning.Lora(2, 4, List.of("q_proj")),
          Head.LANGUAGE_MODEL,
          Optional.empty(),
          1,
          Optional.empty(),
          0);

  private final List<TestProbe<Node.Command>> nodes = new ArrayList<>();
  private final List<TestProbe<RoleWorker.Command>> workers = new ArrayList<>();
  private final TestProbe<RoleWorker.Reply> replies = KIT.createTestProbe(RoleWorker.Reply.class);
  private final List<String> notices = new CopyOnWriteArrayList<>();
  private RoleSpec spec = SPEC;
  private ActorRef<RoleWorker.Command> role;

  @AfterAll
  static void stop() {
    KIT.shutdownTestKit();
  }

  private void open(int count) {
    open(count, Duration.ofSeconds(50));
  }

  private void open(int count, Duration deadline) {
    open(count, deadline, new Exchanging(Exchanging.By.MESSAGES, false));
  }

  private void open(int count, Duration deadline, Exchanging exchanging) {
    for (int i = 0; i < count; i++) {
      nodes.add(KIT.createTestProbe(Node.Command.class));
      workers.add(KIT.createTestProbe(RoleWorker.Command.class));
    }
    role =
        KIT.spawn(
            Replicas.create(
                spec,
                nodes.stream().map(TestProbe::getRef).toList(),
                KIT.createTestProbe(RoleStatus.class).getRef(),
                new Replicas.Terms(deadline, exchanging, notices::add, Node.Terms.NONE)));
    for (int i = 0; i < count; i++) {
      Node.Open open = nodes.get(i).expectMessageClass(Node.Open.class);
      assertThat(open.spec()).isEqualTo(i == 0 ? spec : spec.named("policy-" + (i + 1)));
      open.replyTo().tell(new Node.Opened(workers.get(i).getRef(), "node-" + (i + 1)));
    }
  }

  private void ask(RoleWorker.Work work) {
    role.tell(new RoleWorker.Request(work, replies.getRef()));
  }

  private <W extends RoleWorker.Work> RoleWorker.Request asked(int rank, Class<W> kind) {
    RoleWorker.Request request = workers.get(rank).expectMessageClass(RoleWorker.Request.class);
    assertThat(request.work()).isInstanceOf(kind);
    return request;
  }

  /** Each is asked for such work, and answers so. */
  private <W extends RoleWorker.Work> void all(Class<W> kind, IntFunction<RoleWorker.Reply> reply) {
    List<RoleWorker.Request> requests =
        IntStream.range(0, workers.size()).mapToObj(rank -> asked(rank, kind)).toList();
    for (int rank = requests.size() - 1; rank >= 0; rank--) {
      requests.get(rank).replyTo().tell(reply.apply(rank));
    }
  }

  private String failure() {
    return replies.expectMessageClass(RoleWorker.Failed.class).reason();
  }

  @Test
  void load_isOfAll_andTheirModelsAreCompared() {
    open(3);
    ask(new RoleWorker.Load());
    all(RoleWorker.Load.class, rank -> new RoleWorker.Finished());
    replies.expectNoMessage(Duration.ofMillis(50));
    all(RoleWorker.Fingerprint.class, rank -> SAME);
    replies.expectMessage(new RoleWorker.Finished());
  }

  @Test
  void otherModelBytes_nameTheReplicaAndItsNode() {
    open(3);
    ask(new RoleWorker.Load());
    all(RoleWorker.Load.class, rank -> new RoleWorker.Finished());
    all(
        RoleWorker.Fingerprint.class,
        rank ->
            rank < 2
                ? SAME
                : new RoleWorker.Fingerprinted("8 bytes, 00000001", "0000000000000002"));
    replies.expectMessage(
        new RoleWorker.Failed(
            "the policy-3 on node-3 has other bytes in its model than the policy on node-1:"
                + " 8 bytes, 00000001, expected 9 bytes, 00000001. Put the same files under the"
                + " same path on every node",
            true));
  }

  /** What is told, and what replicas are told to exchange by; a failure where they cannot. */
  private String chosen(Exchanging exchanging, RoleWorker.Carries... carries) {
    spec =
        SPEC.with(
            new OptimizerSettings(
                new LearningRateSchedule(LearningRateSchedule.Shape.CONSTANT, 1e-4, 0, 10),
                0.9,
                0.95,
                1e-8,
                0,
                1,
                0));
    open(2, Duration.ofSeconds(50), exchanging);
    ask(new RoleWorker.Load());
    all(RoleWorker.Load.class, rank -> new RoleWorker.Finished());
    all(RoleWorker.Fingerprint.class, rank -> SAME);
    if (carries.length > 0) {
      all(RoleWorker.Carry.class, rank -> carries[rank]);
    }
    RoleWorker.Reply reply = replies.receiveMessage();
    if (reply instanceof RoleWorker.Failed failed) {
      assertThat(failed.users()).isTrue();
      return failed.reason();
    }
    ask(accumulate());
    RoleWorker.AccumulateShare<?> share =
        (RoleWorker.AccumulateShare<?>) asked(1, RoleWorker.AccumulateShare.class).work();
    RoleWorker.Carriage carriage = share.together().carriage();
    assertThat(carriage.group()).isEqualTo(1);
    assertThat(carriage.longestMillis()).isEqualTo(47_500);
    return notices.get(0)
        + (carriage.byGloo() ? "; gloo" : "; messages")
        + (carriage.ordered() ? ", ordered" : ", fast");
  }

  private static final RoleWorker.Carries CAN = new RoleWorker.Carries("", "0123456789abcdef");

  @Test
  void gradients_goByGlooWhereAllCan() {
    assertThat(chosen(Exchanging.AUTO, CAN, CAN))
        .isEqualTo("the 2 replicas of the policy exchange gradients by Gloo; gloo, ordered");
  }

  @Test
  void gradients_goByGlooInItsOwnOrder_ifAsked() {
    assertThat(chosen(new Exchanging(Exchanging.By.GLOO, true), CAN, CAN))
        .isEqualTo(
            "the 2 replicas of the policy exchange gradients by Gloo, in its own order; gloo,"
                + " fast");
  }

  @Test
  void gradients_goByMessages_ifAsked() {
    assertThat(chosen(new Exchanging(Exchanging.By.MESSAGES, false)))
        .isEqualTo(
            "the 2 replicas of the policy exchange gradients by messages; messages, ordered");
  }

  @Test
  void gradients_goByMessages_whereOneCannot_andWhyIsTold() {
    assertThat(
            chosen(new Exchanging(Exchanging.By.AUTO, true), CAN, new RoleWorker.Carries("no", "")))
        .isEqualTo(
            "the 2 replicas of the policy exchange gradients by messages, as the policy-2 on node-2"
                + " cannot exchange by Gloo: no; so cluster.reduction is ordered; messages,"
                + " ordered");
  }

  @Test
  void gloo_whereOneHasAnotherLibrary_isRefused() {
    assertThat(
            chosen(
                new Exchanging(Exchanging.By.GLOO, false),
                CAN,
                new RoleWorker.Carries("", "ffffffffffffffff")))
        .isEqualTo(
            "cluster.exchange is gloo, but the policy-2 on node-2 has another native library than"
                + " the policy on node-1 (ffffffffffff, expected 0123456789ab); have the same build"
                + " of Troupe on every node. Let cluster.exchange be auto or messages");
  }

  @Test
  void evaluate_isShared_andPutTogetherInOrder() {
    open(2);
    ask(new RoleWorker.Evaluate(List.of(SEQUENCE, SEQUENCE, SEQUENCE), List.of(Output.VALUES)));
    all(
        RoleWorker.EvaluateShare.class,
        rank ->
            rank == 0
                ? new RoleWorker.EvaluatedShare(List.of(0, 2), List.of(said(0), said(2)))
                : new RoleWorker.EvaluatedShare(List.of(1), List.of(said(1))));
    replies.expectMessage(new RoleWorker.Evaluated(List.of(said(0), said(1), said(2))));
    ask(new RoleWorker.Evaluate(List.of(SEQUENCE), List.of(Output.VALUES)));
    all(
        RoleWorker.EvaluateShare.class,
        rank -> new RoleWorker.EvaluatedShare(List.of(), List.of()));
    assertThat(failure()).isEqualTo("no replica of the policy took the sequence 0");
  }

  private static TokenOutputs said(int number) {
    return new TokenOutputs(Floats.EMPTY, Floats.EMPTY, Floats.of(number));
  }

  @Test
  void accumulate_tellsEachWhichItIs_andNumbersTheExchange() {
    open(2);
    for (long exchange = 1; exchange <= 2; exchange++) {
      ask(accumulate());
      List<RoleWorker.Request> requests =
          List.of(
              asked(0, RoleWorker.AccumulateShare.class),
              asked(1, RoleWorker.AccumulateShare.class));
      for (int rank = 0; rank < 2; rank++) {
        RoleWorker.Together together =
            ((RoleWorker.AccumulateShare<?>) requests.get(rank).work()).together();
        assertThat(together)
            .isEqualTo(
                new RoleWorker.Together(
                    new Share(rank, 2),
                    workers.stream().map(TestProbe::getRef).toList(),
                    exchange,
                    new RoleWorker.Carriage(false, true, 1, 47_500)));
        requests.get(rank).replyTo().tell(gradient(1));
      }
      replies.expectMessage(gradient(1));
    }
    ask(accumulate());
    all(RoleWorker.AccumulateShare.class, rank -> gradient(rank));
    assertThat(failure())
        .startsWith("the policy-2 on node-2 is not what the policy on node-1 is, which it must be");
  }

  private static RoleWorker.Accumulate<SftExample> accumulate() {
    return new RoleWorker.Accumulate<>(
        new SftObjective(Averaging.GLOBAL_TOKEN, 1),
        List.of(new SftExample(SEQUENCE)),
        new BatchTotals(1, 2));
  }

  private static RoleWorker.Gradient gradient(double loss) {
    return new RoleWorker.Gradient(new Accumulated(loss, Map.of()));
  }

  @Test
  void step_isComparedByResultAndParameters_andADifferenceNamesTheReplica() {
    open(3);
    ask(STEP);
    all(RoleWorker.Step.class, rank -> new RoleWorker.Stepped(DONE));
    all(RoleWorker.Fingerprint.class, rank -> SAME);
    replies.expectMessage(new RoleWorker.Stepped(DONE));
    ask(STEP);
    all(RoleWorker.Step.class, rank -> new RoleWorker.Stepped(DONE));
    all(
        RoleWorker.Fingerprint.class,
        rank -> rank == 1 ? new RoleWorker.Fingerprinted(SAME.model(), "ffffffffffffffff") : SAME);
    assertThat(failure())
        .startsWith("the policy-2 on node-2 is not what the policy on node-1 is")
        .contains("ffffffffffffffff", "expected", "The run can be resumed");
    ask(STEP);
    all(
        RoleWorker.Step.class,
        rank -> new RoleWorker.Stepped(new StepResult(rank < 2 ? 1 : 1.5, 1e-3, true, 1)));
    assertThat(failure()).startsWith("the policy-3 on node-3 is not what");
  }

  @Test
  void whatIsNotShared_theFirstDoes() {
    open(2);
    ask(
        new RoleWorker.Generate(
            List.of(new Prompt("p", "?", TokenIds.of(1))),
            1,
            new SamplingSettings(4, 1, 0, 1, List.of(), 9)));
    asked(0, RoleWorker.Generate.class).replyTo().tell(new RoleWorker.Generated(List.of(), true));
    replies.expectMessage(new RoleWorker.Generated(List.of(), true));
    role.tell(new RoleWorker.Fetch(1, 0, replies.getRef()));
    workers.get(0).expectMessage(new RoleWorker.Fetch(1, 0, replies.getRef()));
    ask(new RoleWorker.Save("there"));
    asked(0, RoleWorker.Save.class).replyTo().tell(new RoleWorker.Finished());
    replies.expectMessage(new RoleWorker.Finished());
    workers.get(1).expectNoMessage(Duration.ofMillis(50));
    role.tell(new RoleWorker.Stop(replies.getRef()));
    workers.forEach(worker -> worker.expectMessageClass(RoleWorker.Stop.class));
    replies.expectMessage(new RoleWorker.Finished());
  }

  /** Its node has ended before the role is opened: nobody waits for its answer. */
  @Test
  void aNodeThatIsGone_failsTheRoleAtOnce() {
    TestProbe<Node.Command> there = KIT.createTestProbe(Node.Command.class);
    TestProbe<Node.Command> gone = KIT.createTestProbe(Node.Command.class);
    gone.stop();
    role =
        KIT.spawn(
            Replicas.create(
                SPEC,
                List.of(there.getRef(), gone.getRef()),
                KIT.createTestProbe(RoleStatus.class).getRef(),
                new Replicas.Terms(
                    Duration.ofSeconds(50), Exchanging.AUTO, notices::add, Node.Terms.NONE)));
    Node.Open open = there.expectMessageClass(Node.Open.class);
    open.replyTo()
        .tell(new Node.Opened(KIT.createTestProbe(RoleWorker.Command.class).getRef(), "node-1"));
    ask(new RoleWorker.Load());
    assertThat(failure())
        .startsWith("the policy-2 is lost: its node ")
        .endsWith(" ended before it was there. See that node's log; the run can be resumed");
  }

  /** Whether it is asked before its end is told, or after: that order is nobody's. */
  @RepeatedTest(20)
  void aReplicaThatEnds_failsWhatIsUnderWay_andAllThatComesAfter() {
    open(3);
    ask(accumulate());
    asked(0, RoleWorker.AccumulateShare.class);
    workers.get(1).stop();
    String lost =
        "the policy-2 is lost: its node node-2 ended while it was to train on 1. See that node's"
            + " log; the run can be resumed";
    assertThat(failure()).isEqualTo(lost);
    ask(STEP);
    assertThat(failure()).isEqualTo(lost);
  }

  @Test
  void aFailure_isToldWhenAllHaveAnswered() {
    open(2);
    ask(accumulate());
    RoleWorker.Request first = asked(0, RoleWorker.AccumulateShare.class);
    asked(1, RoleWorker.AccumulateShare.class)
        .replyTo()
        .tell(new RoleWorker.Failed("no memory", false));
    replies.expectNoMessage(Duration.ofMillis(50));
    first.replyTo().tell(gradient(1));
    assertThat(failure()).isEqualTo("no memory");
  }

  @Test
  void aReplicaThatIsSilent_isNamed() {
    open(2, Duration.ofMillis(200));
    ask(STEP);
    asked(0, RoleWorker.Step.class).replyTo().tell(new RoleWorker.Stepped(DONE));
    assertThat(failure())
        .isEqualTo(
            "the policy-2 on node-2 did not answer 'step' within 0 s"
                + " (cluster.request-timeout-seconds)");
  }
}
