package dev.troupe.actors.role;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.engine.EngineException;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.message.RoleStatus;
import dev.troupe.protocol.message.RoleWorker;
import dev.troupe.rlhf.loss.SftExample;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.FishingOutcomes;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RoleActorTest {
  private static final ActorTestKit KIT = ActorTestKit.create();
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
  private static final RoleWorker.Generate GENERATE =
      new RoleWorker.Generate(
          List.of(new Prompt("p", "p", TokenIds.of(1, 2, 3))),
          1,
          new SamplingSettings(4, 1, 0, 1, List.of(), 9));
  private static final RoleWorker.Accumulate<SftExample> ACCUMULATE =
      new RoleWorker.Accumulate<>(
          new Nothing(),
          List.of(new SftExample(Sequence.ofLast(TokenIds.of(1)))),
          new BatchTotals(7, 8));
  private static final RoleWorker.Step STEP = new RoleWorker.Step(Optional.empty());

  private final TestProbe<RoleStatus> statuses = KIT.createTestProbe(RoleStatus.class);
  private final TestProbe<RoleWorker.Reply> replies = KIT.createTestProbe(RoleWorker.Reply.class);

  private record Nothing() implements Objective<SftExample> {
    @Override
    public Set<Output> needs() {
      return Set.of();
    }

    @Override
    public LossGradient evaluate(
        List<SftExample> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
      return new LossGradient(0, List.of(), Map.of());
    }
  }

  @AfterAll
  static void stop() {
    KIT.shutdownTestKit();
  }

  private ActorRef<RoleWorker.Command> spawn(FakeEngines engines) {
    return spawn(engines, RunFiles.ANYWHERE, Patience.ENDLESS);
  }

  private ActorRef<RoleWorker.Command> spawn(
      FakeEngines engines, RunFiles files, Patience patience) {
    return KIT.spawn(
        RoleActor.create(
            SPEC,
            "here",
            () -> engines.open(SPEC),
            files,
            Groups.NONE,
            patience,
            statuses.getRef()));
  }

  private void ask(ActorRef<RoleWorker.Command> worker, RoleWorker.Work work) {
    worker.tell(new RoleWorker.Request(work, replies.getRef()));
  }

  private String heard() {
    RoleStatus status = statuses.receiveMessage();
    return status.state() + " " + status.activity() + " v" + status.adapterVersion();
  }

  @Test
  void requests_areCarriedOutInOrder_onTheRolesOwnThread() throws Exception {
    FakeEngines engines = new FakeEngines();
    ActorRef<RoleWorker.Command> worker = spawn(engines);
    ask(worker, ACCUMULATE);
    ask(worker, STEP);
    ask(worker, GENERATE);
    ask(worker, new RoleWorker.Save("there"));
    RoleWorker.Gradient gradient = replies.expectMessageClass(RoleWorker.Gradient.class);
    assertThat(gradient.accumulated().metrics()).isEqualTo(Map.of("examples", 7.0));
    RoleWorker.Stepped stepped = replies.expectMessageClass(RoleWorker.Stepped.class);
    assertThat(stepped.result().adapterVersion()).isEqualTo(1);
    RoleWorker.Generated generated = replies.expectMessageClass(RoleWorker.Generated.class);
    assertThat(generated.rollouts()).singleElement().matches(r -> r.adapterVersion() == 1);
    replies.expectMessageClass(RoleWorker.Finished.class);
    assertThat(engines.calls)
        .containsExactly(
            "load@role-policy",
            "accumulate@role-policy",
            "step@role-policy",
            "generate@role-policy",
            "save there@role-policy");
  }

  @Test
  void status_saysWhatTheRoleIsBusyWith_whileItIs() {
    FakeEngines engines = new FakeEngines();
    ActorRef<RoleWorker.Command> worker = spawn(engines);
    ask(worker, new RoleWorker.Load());
    assertThat(heard()).isEqualTo("starting load v0");
    assertThat(heard()).isEqualTo("idle  v0");
    CompletableFuture<Void> gate = engines.hold();
    ask(worker, ACCUMULATE);
    assertThat(heard()).isEqualTo("busy train on 1 v0");
    // The actor still takes messages while its engine works; nothing is answered out of turn.
    ask(worker, GENERATE);
    replies.expectMessageClass(RoleWorker.Finished.class);
    replies.expectNoMessage(java.time.Duration.ofMillis(50));
    gate.complete(null);
    replies.expectMessageClass(RoleWorker.Gradient.class);
    RoleStatus next = statuses.receiveMessage();
    assertThat(next)
        .isEqualTo(
            new RoleStatus(
                "policy",
                "here",
                "busy",
                "generate 1",
                0,
                Map.of("base", 100L),
                Map.of("train", 0.0)));
    assertThat(heard()).isEqualTo("idle  v0");
  }

  private static final java.time.Duration SILENCE = java.time.Duration.ofSeconds(1);

  private static final String HANGS =
      "the policy on here hangs: 'train on 1' has made no progress since \\S+, for more than 1 s"
          + " \\(cluster.silence-seconds\\)";

  @Test
  void work_thatHangs_isNamed_andItsThreadsAreToldOfInTheRunsDirectory(@TempDir Path run)
      throws Exception {
    FakeEngines engines = new FakeEngines();
    engines.progress = OptionalLong.of(3);
    CompletableFuture<String> ended = new CompletableFuture<>();
    ActorRef<RoleWorker.Command> worker =
        spawn(engines, RunFiles.of(run), new Patience(SILENCE, Optional.of(ended::complete)));
    ask(worker, new RoleWorker.Load());
    replies.expectMessageClass(RoleWorker.Finished.class);
    CompletableFuture<Void> gate = engines.hold();
    ask(worker, ACCUMULATE);
    String told = ended.get(30, TimeUnit.SECONDS);
    assertThat(told)
        .matches(HANGS + ". What its threads do is in " + run + "/nodes/threads-policy-\\d+.txt");
    assertThat(Path.of(told.replaceFirst(".* is in ", "")))
        .content()
        .containsPattern("(?s)\"role-policy\" WAITING.*FakeEngines");
    statuses.fishForMessage(
        java.time.Duration.ofSeconds(10),
        status ->
            status.state().equals("failed") && status.activity().equals(told)
                ? FishingOutcomes.complete()
                : FishingOutcomes.continueAndIgnore());
    gate.complete(null);
  }

  /** Where there is no node to end, whoever asked is answered. */
  @Test
  void work_thatHangs_inAJvmThatIsNoNode_isAnswered() {
    FakeEngines engines = new FakeEngines();
    engines.progress = OptionalLong.of(3);
    ActorRef<RoleWorker.Command> worker =
        spawn(engines, RunFiles.ANYWHERE, new Patience(SILENCE, Optional.empty()));
    CompletableFuture<Void> gate = engines.hold();
    ask(worker, new RoleWorker.Load());
    gate.complete(null);
    replies.expectMessageClass(RoleWorker.Finished.class);
    gate = engines.hold();
    ask(worker, GENERATE);
    RoleWorker.Failed failed =
        replies.expectMessageClass(RoleWorker.Failed.class, java.time.Duration.ofSeconds(30));
    assertThat(failed.reason()).matches(HANGS.replace("train on", "generate"));
    assertThat(failed.users()).isFalse();
    gate.complete(null);
  }

  @Test
  void work_thatFails_isAnsweredWithRoleAndNode_andTheRoleLivesOn() {
    ActorRef<RoleWorker.Command> worker = spawn(new FakeEngines());
    ask(worker, new RoleWorker.Evaluate(List.of(), List.of(Output.LOGPROBS)));
    assertThat(replies.expectMessageClass(RoleWorker.Failed.class))
        .isEqualTo(new RoleWorker.Failed("the policy on here failed: nothing to evaluate", false));
    assertThat(heard()).isEqualTo("starting evaluate 0 v0");
    assertThat(heard()).isEqualTo("failed the policy on here failed: nothing to evaluate v0");
    ask(worker, GENERATE);
    replies.expectMessageClass(RoleWorker.Generated.class);
  }

  @Test
  void model_thatCannotBeLoaded_isTheUsersError_inItsOwnWords() {
    String message = "nowhere/config.json is missing";
    ActorRef<RoleWorker.Command> worker =
        spawn(new FakeEngines(() -> new EngineException(message)));
    ask(worker, new RoleWorker.Load());
    assertThat(replies.expectMessageClass(RoleWorker.Failed.class))
        .isEqualTo(new RoleWorker.Failed(message, true));
  }

  @Test
  void stop_freesTheEngineOnItsThread_thenTheActorEnds() throws Exception {
    FakeEngines engines = new FakeEngines();
    ActorRef<RoleWorker.Command> worker = spawn(engines);
    ask(worker, ACCUMULATE);
    replies.expectMessageClass(RoleWorker.Gradient.class);
    ask(worker, STEP);
    replies.expectMessageClass(RoleWorker.Stepped.class);
    worker.tell(new RoleWorker.Stop(replies.getRef()));
    replies.expectMessageClass(RoleWorker.Finished.class);
    replies.expectTerminated(worker);
    assertThat(engines.calls)
        .containsExactly(
            "load@role-policy", "accumulate@role-policy", "step@role-policy", "close@role-policy");
    assertThat(heard()).isEqualTo("starting train on 1 v0");
    assertThat(heard()).isEqualTo("idle  v0");
    assertThat(heard()).isEqualTo("busy step v0");
    assertThat(heard()).isEqualTo("idle  v1");
    assertThat(statuses.receiveMessage())
        .isEqualTo(
            new RoleStatus("policy", "here", "stopped", "", 1, Map.of(), Map.of("train", 1.0)));
  }

  @Test
  void actor_thatIsStoppedFromOutside_freesItsEngineToo() throws Exception {
    FakeEngines engines = new FakeEngines();
    ActorRef<RoleWorker.Command> worker = spawn(engines);
    ask(worker, new RoleWorker.Load());
    replies.expectMessageClass(RoleWorker.Finished.class);
    KIT.stop(worker);
    assertThat(engines.calls.take()).isEqualTo("load@role-policy");
    assertThat(engines.calls.take()).isEqualTo("close@role-policy");
  }
}
