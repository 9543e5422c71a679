package dev.troupe.actors.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.actors.role.Exchanging;
import dev.troupe.actors.role.FakeEngines;
import dev.troupe.actors.role.RoleException;
import dev.troupe.actors.role.RunFiles;
import dev.troupe.actors.trust.Authority;
import dev.troupe.actors.trust.Credentials;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.protocol.message.Node;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import dev.troupe.rlhf.port.Cast;
import dev.troupe.rlhf.port.Role;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** Side by side, as nodes that leave wait for one another. */
@Execution(ExecutionMode.CONCURRENT)
@Timeout(120)
class EnsembleTest {
  private static final String LOOPBACK = "127.0.0.1";
  private static final Duration LONG = Duration.ofSeconds(60);
  private static final SamplingSettings SAMPLING = new SamplingSettings(8, 1, 0, 1, List.of(), 0);
  private static final Map<String, String> APART =
      Map.of("policy", "one", "critic", "two", "reward", "three", "reference", "three");

  private static final Authority AUTHORITY = Authority.create("test", Duration.ofHours(1));

  private final List<Ensemble> open = new ArrayList<>();
  private final Queue<RunEvent.Builder> events = new ConcurrentLinkedQueue<>();

  @AfterEach
  void close() {
    open.forEach(Ensemble::close);
  }

  private Ensemble opened(Ensemble ensemble) {
    open.add(ensemble);
    return ensemble;
  }

  private static Credentials credentials() {
    return AUTHORITY.issue("test", Duration.ofHours(1));
  }

  private static Ensemble.Place place() {
    return new Ensemble.Place(credentials(), RunFiles.ANYWHERE);
  }

  private Ensemble node(Ensemble seed, String role, FakeEngines engines) {
    return opened(
        Ensemble.node(LOOPBACK, 0, seed.address(), List.of(role), LONG, place(), engines));
  }

  private Cast cast(Ensemble ensemble, Duration join, Duration deadline) {
    return ensemble.cast(APART, join, deadline, events::add);
  }

  /** All roles on one node, but for those that answer prompts. */
  private Cast castOnOne(Ensemble ensemble, Duration join) {
    return ensemble.cast(
        Map.of("policy", "one", "reference", "one"), join, Duration.ofMinutes(10), events::add);
  }

  private static RoleSpec spec(String role) {
    return new RoleSpec(
        role,
        "nowhere",
        Optional.empty(),
        new Tuning.Lora(2, 4, List.of("q_proj")),
        Head.LANGUAGE_MODEL,
        Optional.empty(),
        1,
        Optional.empty(),
        0);
  }

  private static <T> T await(CompletionStage<T> stage) throws Exception {
    return stage.toCompletableFuture().get(60, TimeUnit.SECONDS);
  }

  /** A training loop in small: sample, score by another role, train twice, sample anew. */
  private static List<Object> recipe(Cast cast) throws Exception {
    Role policy = await(cast.open(spec("policy")));
    Role reference = await(cast.open(spec("reference")));
    List<Object> all = new ArrayList<>();
    List<Prompt> prompts =
        IntStream.range(0, 40)
            .mapToObj(i -> new Prompt("p" + i, "prompt " + i, new TokenIds(new int[i + 1])))
            .toList();
    for (int step = 0; step < 3; step++) {
      List<Rollout> rollouts =
          await(policy.sample(prompts, 3, new SamplingSettings(8, 1, 0, 1, List.of(), step)))
              .stream()
              .flatMap(List::stream)
              .toList();
      List<Sequence> sequences = rollouts.stream().map(Rollout::sequence).toList();
      List<TokenOutputs> outputs =
          await(reference.evaluate(sequences, EnumSet.of(Output.LOGPROBS, Output.ENTROPIES)));
      all.add(rollouts);
      all.add(outputs);
      all.add(
          await(
              policy.update(
                  new SftObjective(Averaging.GLOBAL_TOKEN, 1),
                  sequences.stream().map(SftExample::new).toList())));
    }
    await(policy.checkpoint("checkpoint"));
    await(policy.save("policy"));
    await(policy.close());
    await(reference.close());
    return all;
  }

  @Test
  void cast_acrossFourSystems_givesWhatOneGives_andEndsThemAll() throws Exception {
    FakeEngines alone = new FakeEngines();
    List<Object> expected = recipe(cast(opened(Ensemble.local(alone)), LONG, LONG));

    Ensemble seed = opened(Ensemble.seed(LOOPBACK, 0, credentials()));
    List<FakeEngines> engines = List.of(new FakeEngines(), new FakeEngines(), new FakeEngines());
    List<Ensemble> nodes =
        List.of(
            node(seed, "one", engines.get(0)),
            node(seed, "two", engines.get(1)),
            node(seed, "three", engines.get(2)));
    assertThat(recipe(cast(seed, LONG, LONG))).isEqualTo(expected);

    assertThat(engines.get(0).calls)
        .contains("step@role-policy", "save policy@role-policy")
        .noneMatch(call -> call.startsWith("evaluate"));
    assertThat(engines.get(1).calls).isEmpty();
    assertThat(engines.get(2).calls)
        .contains("evaluate@role-reference")
        .noneMatch(call -> call.startsWith("step"));
    assertThat(events)
        .anyMatch(
            event ->
                event.hasRoleChanged()
                    && event.getRoleChanged().getRole().equals("reference")
                    && event.getRoleChanged().getNode().equals(nodes.get(2).address()));
    assertThat(events)
        .anyMatch(
            event -> event.hasMembersChanged() && event.getMembersChanged().getMembersCount() == 4);

    seed.close();
    for (Ensemble node : nodes) {
      node.ended().get(30, TimeUnit.SECONDS);
    }
  }

  @Test
  void prompts_spreadOverFollowers_areAnsweredAsByThePolicyAlone() throws Exception {
    List<Object> expected = recipe(cast(opened(Ensemble.local(new FakeEngines())), LONG, LONG));
    FakeEngines spread = new FakeEngines();
    assertThat(recipe(cast(opened(Ensemble.local(spread, 5)), LONG, LONG))).isEqualTo(expected);
    assertThat(spread.calls)
        .contains("step@role-policy", "take " + FakeEngines.PARAMETERS + "@role-rollout-1")
        .doesNotContain("generate@role-policy")
        .anyMatch(call -> call.startsWith("generate@role-rollout-"));
    // Each of three versions once, by those at least that answer.
    assertThat(spread.calls.stream().filter(call -> call.startsWith("take")).count())
        .isBetween(3L, 15L);
  }

  @Test
  void prompts_spreadOverNodes_areAnsweredAsByThePolicyAlone_alsoWhenOneIsLost() throws Exception {
    List<Object> expected = recipe(cast(opened(Ensemble.local(new FakeEngines())), LONG, LONG));
    Ensemble seed = opened(Ensemble.seed(LOOPBACK, 0, 2, credentials()));
    node(seed, "one", new FakeEngines());
    FakeEngines steady = new FakeEngines();
    FakeEngines mortal = new FakeEngines();
    CompletableFuture<Void> steadyLoads = steady.hold();
    CompletableFuture<Void> mortalLoads = mortal.hold();
    node(seed, Ensemble.ROLLOUT, steady);
    Ensemble dies = node(seed, Ensemble.ROLLOUT, mortal);
    CompletableFuture<List<Object>> run =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return recipe(castOnOne(seed, LONG));
              } catch (Exception e) {
                throw new IllegalStateException(e);
              }
            });
    assertThat(steady.calls.take()).startsWith("load@role-rollout-");
    assertThat(mortal.calls.take()).startsWith("load@role-rollout-");
    CompletableFuture<Void> steadyTakes = steady.hold();
    steadyLoads.complete(null);
    CompletableFuture<Void> mortalTakes = mortal.hold();
    mortalLoads.complete(null);
    assertThat(mortal.calls.take()).startsWith("take ");
    CompletableFuture<Void> mortalAnswers = mortal.hold();
    mortalTakes.complete(null);
    assertThat(mortal.calls.take()).startsWith("generate@role-rollout-");
    // It ends with a portion that it has not answered.
    dies.close();
    mortalAnswers.complete(null);
    steadyTakes.complete(null);
    assertThat(run.get(60, TimeUnit.SECONDS)).isEqualTo(expected);
    assertThat(steady.calls).anyMatch(call -> call.startsWith("generate@role-rollout-"));
    assertThat(events)
        .anyMatch(
            event ->
                event.hasRoleChanged()
                    && event.getRoleChanged().getState().equals("failed")
                    && event.getRoleChanged().getNode().equals(dies.address())
                    && event
                        .getRoleChanged()
                        .getActivity()
                        .startsWith("its node ended; others answer its prompts"));
  }

  @Test
  void prompts_whenEveryFollowerIsLost_failWithTheReason() throws Exception {
    Ensemble seed = opened(Ensemble.seed(LOOPBACK, 0, 1, credentials()));
    node(seed, "one", new FakeEngines());
    FakeEngines mortal = new FakeEngines();
    Ensemble dies = node(seed, Ensemble.ROLLOUT, mortal);
    Role policy = await(castOnOne(seed, LONG).open(spec("policy")));
    List<Prompt> prompts = List.of(new Prompt("p", "prompt", TokenIds.of(1)));
    SamplingSettings settings = new SamplingSettings(8, 1, 0, 1, List.of(), 0);
    assertThat(await(policy.generate(prompts, settings))).hasSize(1);
    CompletableFuture<Void> gate = mortal.hold();
    mortal.calls.clear();
    CompletionStage<List<Rollout>> answers = policy.generate(prompts, settings);
    assertThat(mortal.calls.take()).isEqualTo("generate@role-rollout-1");
    dies.close();
    assertThatThrownBy(() -> await(answers))
        .hasMessageContaining("every rollout worker is lost: their nodes ended");
    gate.complete(null);
  }

  /** The first holds its portion until a node that has come since has answered the others. */
  @Test
  void node_thatComesLater_answersPromptsToo() throws Exception {
    Ensemble seed = opened(Ensemble.seed(LOOPBACK, 0, 1, credentials()));
    node(seed, "one", new FakeEngines());
    FakeEngines first = new FakeEngines();
    node(seed, Ensemble.ROLLOUT, first);
    Role policy = await(castOnOne(seed, LONG).open(spec("policy")));
    List<Prompt> prompts =
        IntStream.range(0, 80)
            .mapToObj(i -> new Prompt("p" + i, "prompt", TokenIds.of(i)))
            .toList();
    CompletableFuture<Void> gate = first.hold();
    CompletionStage<List<Rollout>> answers =
        policy.generate(prompts, new SamplingSettings(8, 1, 0, 1, List.of(), 0));
    FakeEngines later = new FakeEngines();
    CompletableFuture<Void> laterGate = later.hold();
    Ensemble came = node(seed, Ensemble.ROLLOUT, later);
    assertThat(later.calls.take()).isEqualTo("load@role-rollout-2");
    laterGate.complete(null);
    gate.complete(null);
    assertThat(await(answers)).extracting(Rollout::prompt).isEqualTo(prompts);
    seed.close();
    came.ended().get(30, TimeUnit.SECONDS);
  }

  /** Also roles that are opened afterwards, as those of the next stage are. */
  @Test
  void node_thatComesLater_answersPromptsOfLaterRolesToo() throws Exception {
    Ensemble seed = opened(Ensemble.seed(LOOPBACK, 0, 1, credentials()));
    node(seed, "one", new FakeEngines());
    FakeEngines first = new FakeEngines();
    node(seed, Ensemble.ROLLOUT, first);
    Cast cast = castOnOne(seed, LONG);
    Role before = await(cast.open(spec("policy")));
    FakeEngines later = new FakeEngines();
    node(seed, Ensemble.ROLLOUT, later);
    // Its place is known once a round of the first role has opened it.
    CompletableFuture<Void> gate = first.hold();
    CompletionStage<List<Rollout>> answers = before.generate(prompts(80), SAMPLING);
    assertThat(later.calls.take()).isEqualTo("load@role-rollout-2");
    gate.complete(null);
    await(answers);
    await(before.close());
    later.calls.clear();
    Role next = await(cast.open(spec("policy")));
    CompletableFuture<Void> hold = first.hold();
    CompletionStage<List<Rollout>> more = next.generate(prompts(80), SAMPLING);
    assertThat(taken(later, "load@role-rollout-2")).isTrue();
    hold.complete(null);
    assertThat(await(more)).extracting(Rollout::prompt).isEqualTo(prompts(80));
  }

  /** A run waits for one, and two are there before it. */
  @Test
  void nodes_moreThanWaitedFor_answerPromptsToo() throws Exception {
    Ensemble seed = opened(Ensemble.seed(LOOPBACK, 0, 1, credentials()));
    List<FakeEngines> engines = List.of(new FakeEngines(), new FakeEngines());
    for (FakeEngines each : engines) {
      node(seed, Ensemble.ROLLOUT, each);
    }
    CompletableFuture<Void> gate = engines.get(0).hold();
    CompletableFuture<Void> other = engines.get(1).hold();
    node(seed, "one", new FakeEngines());
    Role policy = await(castOnOne(seed, LONG).open(spec("policy")));
    CompletionStage<List<Rollout>> answers = policy.generate(prompts(80), SAMPLING);
    for (FakeEngines each : engines) {
      assertThat(each.calls.take()).startsWith("load@role-rollout-");
    }
    gate.complete(null);
    other.complete(null);
    assertThat(await(answers)).extracting(Rollout::prompt).isEqualTo(prompts(80));
  }

  private static boolean taken(FakeEngines engines, String call) throws InterruptedException {
    String next = engines.calls.poll(60, TimeUnit.SECONDS);
    while (next != null && !next.equals(call)) {
      next = engines.calls.poll(60, TimeUnit.SECONDS);
    }
    return next != null;
  }

  private static List<Prompt> prompts(int count) {
    return IntStream.range(0, count)
        .mapToObj(i -> new Prompt("p" + i, "prompt", TokenIds.of(i)))
        .toList();
  }

  @Test
  void cast_withoutItsFollowers_saysHowManyAreMissing() {
    Ensemble seed = opened(Ensemble.seed(LOOPBACK, 0, 3, credentials()));
    node(seed, "one", new FakeEngines());
    node(seed, Ensemble.ROLLOUT, new FakeEngines());
    assertThatThrownBy(() -> castOnOne(seed, Duration.ofSeconds(3)))
        .isInstanceOf(ClusterException.class)
        .hasMessage(
            "after 3 s 1 of 3 rollout workers have joined. Start more with: troupe node --join "
                + seed.address()
                + " --roles rollout");
  }

  /** The thread at work cannot be ended: the node is, and whoever asked learns that it is gone. */
  @Test
  void workThatHangsOnANode_endsTheNode_andFailsWithRoleAndNode() throws Exception {
    Ensemble seed = opened(Ensemble.seed(LOOPBACK, 0, credentials()));
    FakeEngines engines = new FakeEngines();
    engines.progress = OptionalLong.of(5);
    Ensemble stuck = node(seed, "one", engines);
    Cast cast =
        seed.cast(
            Map.of("policy", "one"),
            Map.of(),
            Exchanging.AUTO,
            LONG,
            LONG,
            new Node.Terms(1, 1000),
            events::add);
    Role policy = await(cast.open(spec("policy")));
    CompletableFuture<Void> gate = engines.hold();
    CompletionStage<List<Rollout>> answers = policy.generate(prompts(2), SAMPLING);
    String hangs =
        "the policy on " + stuck.address() + " hangs: 'generate 2' has made no progress since ";
    assertThatThrownBy(() -> await(answers))
        .hasMessageContaining(
            "the policy is lost: its node "
                + stuck.address()
                + " ended while it was to generate 2");
    assertThatThrownBy(() -> stuck.ended().get(60, TimeUnit.SECONDS))
        .hasCauseInstanceOf(RoleException.class)
        .hasMessageContaining(hangs);
    assertThat(events)
        .anyMatch(
            event ->
                event.getRoleChanged().getState().equals("failed")
                    && event.getRoleChanged().getActivity().startsWith(hangs));
    gate.complete(null);
  }

  @Test
  void request_toANodeThatEnds_failsAtOnceWithRoleAndNode() throws Exception {
    Ensemble seed = opened(Ensemble.seed(LOOPBACK, 0, credentials()));
    FakeEngines engines = new FakeEngines();
    node(seed, "one", engines);
    node(seed, "two", new FakeEngines());
    Ensemble three = node(seed, "three", engines);
    String address = three.address();
    Role reward = await(cast(seed, LONG, Duration.ofMinutes(10)).open(spec("reward")));

    CompletableFuture<Void> gate = engines.hold();
    CompletionStage<List<TokenOutputs>> answer =
        reward.evaluate(List.of(Sequence.ofLast(TokenIds.of(1))), EnumSet.of(Output.VALUES));
    assertThat(engines.calls.take()).isEqualTo("load@role-reward");
    assertThat(engines.calls.take()).isEqualTo("evaluate@role-reward");
    three.close();
    assertThatThrownBy(() -> await(answer))
        .hasCauseInstanceOf(RoleException.class)
        .hasMessageContaining(
            "the reward is lost: its node "
                + address
                + " ended while it was to evaluate 1. See that node's log; the run can be resumed");
    // Neither does what comes after wait for the deadline.
    assertThatThrownBy(() -> await(reward.save("there")))
        .hasMessageContaining("the reward is lost");
    await(reward.close());
    gate.complete(null);
  }

  @Test
  void cast_whenANodesProcessEndsBeforeAllHaveJoined_failsAtOnceWithItsEnd() throws Exception {
    String end = "the node two ended with exit code 9, see two.log";
    Ensemble early = opened(Ensemble.seed(LOOPBACK, 0, credentials()));
    assertThat(early.ended(credentials(), end)).isTrue();
    assertThatThrownBy(() -> cast(early, Duration.ofMinutes(10), LONG))
        .isInstanceOf(ClusterException.class)
        .hasMessage(end);

    Ensemble seed = opened(Ensemble.seed(LOOPBACK, 0, credentials()));
    CompletableFuture<Cast> casting =
        CompletableFuture.supplyAsync(() -> cast(seed, Duration.ofMinutes(10), LONG));
    node(seed, "one", new FakeEngines());
    assertThat(casting).isNotDone();
    assertThat(seed.ended(credentials(), end)).isTrue();
    assertThatThrownBy(() -> await(casting))
        .hasCauseInstanceOf(ClusterException.class)
        .hasMessageContaining(end);
    // The first is what counts.
    assertThat(seed.ended(credentials(), "another")).isFalse();
  }

  @Test
  void open_onANodeThatHasEnded_failsAtOnceWithRoleAndNode() throws Exception {
    Ensemble seed = opened(Ensemble.seed(LOOPBACK, 0, credentials()));
    node(seed, "one", new FakeEngines());
    node(seed, "two", new FakeEngines());
    Ensemble three = node(seed, "three", new FakeEngines());
    String address = three.address();
    Cast cast = cast(seed, LONG, Duration.ofMinutes(10));
    three.close();
    assertThatThrownBy(() -> await(cast.open(spec("reward"))))
        .hasCauseInstanceOf(RoleException.class)
        .hasMessageContaining(
            "the reward is lost: its node "
                + address
                + " ended before it was there. See that node's log; the run can be resumed");
    await(cast.open(spec("critic")));
  }

  @Test
  void prompts_whenAFollowersNodeEndsBeforeTheFirst_areAnsweredByTheOthers() throws Exception {
    List<Object> expected = recipe(cast(opened(Ensemble.local(new FakeEngines())), LONG, LONG));
    Ensemble seed = opened(Ensemble.seed(LOOPBACK, 0, 2, credentials()));
    node(seed, "one", new FakeEngines());
    node(seed, Ensemble.ROLLOUT, new FakeEngines());
    Ensemble dies = node(seed, Ensemble.ROLLOUT, new FakeEngines());
    Cast cast = castOnOne(seed, LONG);
    dies.close();
    assertThat(recipe(cast)).isEqualTo(expected);
    assertThat(events)
        .anyMatch(
            event ->
                event.hasRoleChanged()
                    && event.getRoleChanged().getState().equals("failed")
                    && event.getRoleChanged().getNode().equals(dies.address()));
  }

  @Test
  void request_thatOverrunsItsDeadline_namesTheCulprit() throws Exception {
    FakeEngines engines = new FakeEngines();
    Role policy =
        await(
            cast(opened(Ensemble.local(engines)), LONG, Duration.ofSeconds(1))
                .open(spec("policy")));
    CompletableFuture<Void> gate = engines.hold();
    assertThatThrownBy(() -> await(policy.save("there")))
        .hasMessageContaining(
            "the policy on local did not answer 'save' within 1 s (cluster.request-timeout-seconds)");
    gate.complete(null);
  }

  @Test
  void node_ofAnotherProtocolVersion_isRefused() {
    Ensemble seed = opened(Ensemble.seed(LOOPBACK, 0, credentials()));
    Ensemble stranger =
        opened(
            Ensemble.node(
                LOOPBACK,
                0,
                seed.address(),
                List.of("one"),
                0,
                LONG,
                99,
                place(),
                new FakeEngines()));
    assertThatThrownBy(() -> cast(seed, LONG, LONG))
        .isInstanceOf(ClusterException.class)
        .hasMessage(
            "the node "
                + stranger.address()
                + " speaks protocol version 99, this one "
                + Node.PROTOCOL_VERSION
                + ". Run the same version of Troupe on every"
                + " node");
  }

  @Test
  void node_ofAnotherProtocolVersion_thatComesLater_isSentAwayAndNamed() throws Exception {
    Ensemble seed = opened(Ensemble.seed(LOOPBACK, 0, credentials()));
    node(seed, "one", new FakeEngines());
    Role policy = await(castOnOne(seed, LONG).open(spec("policy")));
    // While it joins, or when it has.
    assertThatThrownBy(
            () ->
                opened(
                        Ensemble.node(
                            LOOPBACK,
                            0,
                            seed.address(),
                            List.of("one"),
                            0,
                            LONG,
                            99,
                            place(),
                            new FakeEngines()))
                    .ended()
                    .get(60, TimeUnit.SECONDS))
        .hasStackTraceContaining(
            ClusterException.class.getName()
                + ": the run has sent this node away: it speaks protocol version 99, this one "
                + Node.PROTOCOL_VERSION);
    assertThat(events)
        .filteredOn(RunEvent.Builder::hasNotice)
        .extracting(event -> event.getNotice().getText())
        .anyMatch(
            text ->
                text.matches(
                    "node 127\\.0\\.0\\.1:\\d+ was sent away: it speaks protocol version 99, this one "
                        + Node.PROTOCOL_VERSION
                        + "\\. Run the same version of Troupe on every node"));
    await(policy.save("there"));
    await(policy.close());
  }

  @Test
  void cast_withoutItsNodes_saysWhichAreMissingAndHowToStartThem() {
    Ensemble seed = opened(Ensemble.seed(LOOPBACK, 0, credentials()));
    node(seed, "two", new FakeEngines());
    assertThatThrownBy(() -> cast(seed, Duration.ofSeconds(3), LONG))
        .isInstanceOf(ClusterException.class)
        .hasMessage(
            "after 3 s no node with the roles one, three has joined; present are two. Start one"
                + " with: troupe node --join "
                + seed.address()
                + " --roles one,three");
  }

  @Test
  void node_thatCannotReachTheSeed_saysSoAfterItsTimeout() throws IOException {
    // A port that was free a moment ago: nothing listens there.
    int port;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = socket.getLocalPort();
    }
    String seed = LOOPBACK + ":" + port;
    assertThatThrownBy(
            () ->
                Ensemble.node(
                    LOOPBACK,
                    0,
                    seed,
                    List.of("one"),
                    Duration.ofSeconds(2),
                    place(),
                    new FakeEngines()))
        .isInstanceOf(ClusterException.class)
        .hasMessage(
            "cannot reach the seed node "
                + seed
                + " after 2 s. Is a run started there, is the port open, and is the host named as"
                + " that node names itself?");
  }

  @Test
  void node_withASeedThatIsNoAddress_saysWhatOneLooksLike() {
    assertThatThrownBy(
            () ->
                Ensemble.node(
                    LOOPBACK, 0, "here", List.of("one"), LONG, place(), new FakeEngines()))
        .hasMessage("the seed node must be HOST:PORT, found 'here'; for example 127.0.0.1:7355");
  }

  @Test
  void seed_onAPortInUse_saysSo() throws IOException {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      assertThatThrownBy(() -> opened(Ensemble.seed(LOOPBACK, taken.getLocalPort(), credentials())))
          .isInstanceOf(ClusterException.class)
          .hasMessageStartingWith("cannot listen on " + LOOPBACK + ":" + taken.getLocalPort())
          .hasMessageContaining("Choose another one, or 0 for any free one");
    }
  }
}
