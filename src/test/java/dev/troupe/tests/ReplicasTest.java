package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.RunHandle;
import dev.troupe.actors.pipeline.RunRequest;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.actors.pipeline.StepListener;
import dev.troupe.actors.role.RunFiles;
import dev.troupe.actors.trust.Authority;
import dev.troupe.actors.trust.Credentials;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.engine.HybridEngines;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.event.EventLog;
import dev.troupe.protocol.event.EventReader;
import dev.troupe.protocol.event.RunEvent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Roles with replicas, on nodes in this JVM that speak over loopback. */
@Timeout(300)
class ReplicasTest {
  private static final String LOOPBACK = "127.0.0.1";
  private static final Authority AUTHORITY = Authority.create("test", Duration.ofHours(1));
  private static final Path CONFIGURATION =
      Quickstarts.ROOT.resolve("configs/cluster-replicas.conf");
  private static final List<String> SMALL =
      List.of(
          "quickstart.answered=64",
          "quickstart.preferences=64",
          "quickstart.prompts=64",
          "sft.held-out=16",
          "sft.evaluate-every=1",
          "reward.held-out=16",
          "dpo.held-out=16",
          "dpo.evaluation.held-out=8",
          "ppo.iterations=2",
          "ppo.prompts-per-iteration=16",
          "ppo.evaluation.held-out=8");

  @TempDir static Path directory;
  private static Path alone;

  private final List<AutoCloseable> open = new ArrayList<>();

  @BeforeAll
  static void runInOneJvm() throws Exception {
    alone = directory.resolve("alone");
    var loaded = PipelineConfigurations.loader().load(CONFIGURATION, overrides(alone, List.of()));
    try (Lanes lanes = new Lanes(2)) {
      Ensemble here = Ensemble.local(new HybridEngines(lanes));
      Pipeline.start(RunRequest.of(loaded.value(), loaded.text()).on(here)).result().get();
    }
  }

  private static List<String> overrides(Path output, List<String> more) {
    List<String> overrides = new ArrayList<>(Quickstarts.whole(output));
    overrides.addAll(SMALL);
    overrides.add("stages=[sft,reward,dpo,ppo]");
    overrides.addAll(more);
    return overrides;
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable one : open) {
      one.close();
    }
  }

  private <T extends AutoCloseable> T opened(T one) {
    open.add(0, one);
    return one;
  }

  private static Credentials credentials() {
    return AUTHORITY.issue("test", Duration.ofHours(1));
  }

  /** A node with lanes of its own. */
  private Ensemble node(Ensemble seed, Path output, int lanes, String... roles) {
    HybridEngines engines = new HybridEngines(opened(new Lanes(lanes)));
    return opened(
        Ensemble.node(
            LOOPBACK,
            0,
            seed.address(),
            List.of(roles),
            Duration.ofMinutes(3),
            new Ensemble.Place(credentials(), RunFiles.of(output)),
            engines));
  }

  private Ensemble seed() {
    return opened(Ensemble.seed(LOOPBACK, 0, credentials()));
  }

  private static void run(Ensemble seed, Path output, List<String> more) throws Exception {
    var loaded = PipelineConfigurations.loader().load(CONFIGURATION, overrides(output, more));
    Pipeline.start(RunRequest.of(loaded.value(), loaded.text()).on(seed)).result().get();
  }

  /** SFT, reward model, DPO and PPO; with critics as many as policies, and reward models too. */
  @ParameterizedTest
  @CsvSource({"3, 2, auto, none", "4, 1, messages, zero-2"})
  void replicas_onNodes_leaveTheBytesOfOneJvm(
      int replicas, int lanes, String exchange, String sharding) throws Exception {
    Path output = directory.resolve("replicas-" + replicas);
    Ensemble seed = seed();
    for (int i = 0; i < replicas; i++) {
      node(seed, output, lanes, "policy", "critic");
    }
    run(
        seed,
        output,
        List.of(
            "cluster.exchange=" + exchange,
            "cluster.sharding=" + sharding,
            "cluster.policy.replicas=" + replicas,
            "cluster.critic.replicas=" + replicas,
            "cluster.reward.replicas=" + replicas,
            "cluster.reference.replicas=" + replicas));
    assertSameBytesAsAlone(output);
    assertThat(exchanged(output))
        .hasSize(5)
        .allMatch(
            notice ->
                notice.startsWith("the " + replicas + " replicas of the ")
                    && (exchange.equals("auto")
                        || notice.endsWith(
                            " exchange gradients by messages; each holds a shard of the"
                                + " optimiser's state")));
  }

  /** What the run says of how gradients went, for each role that was trained. */
  private static List<String> exchanged(Path output) throws Exception {
    return EventReader.readAll(output.resolve(EventLog.FILE_NAME)).stream()
        .filter(RunEvent::hasNotice)
        .map(event -> event.getNotice().getText())
        .filter(notice -> notice.contains("exchange gradients"))
        .toList();
  }

  private static void assertSameBytesAsAlone(Path output) throws Exception {
    List<Path> trained = adapters(alone);
    assertThat(trained).hasSize(4);
    for (Path adapter : trained) {
      assertThat(output.resolve(alone.relativize(adapter))).hasSameBinaryContentAs(adapter);
    }
  }

  /**
   * Every weight is trained, in shards, of which there are as many as chunks of the buffer to
   * within one; a moving average as well.
   */
  @Test
  void grpo_ofEveryWeight_leavesTheBytesOfOneJvm() throws Exception {
    Path configuration = Quickstarts.ROOT.resolve("configs/quickstart-grpo.conf");
    Path data = configuration.resolveSibling("quickstart-grpo");
    List<String> small =
        List.of(
            "data.sft=[{path=\"" + data.resolve("worked.jsonl") + "\"}]",
            "data.prompts=[{path=\"" + data.resolve("problems.jsonl") + "\"}]",
            "sft.epochs=1",
            "grpo.iterations=2",
            "grpo.prompts-per-iteration=8",
            "grpo.answers-per-prompt=4",
            "grpo.evaluation.held-out=8",
            "grpo.policy.ema-decay=0.5",
            "cluster.sharding=zero-2",
            "cluster.critic.node=judge",
            "cluster.policy.replicas=2");
    Path one = directory.resolve("grpo-alone");
    List<String> overrides = new ArrayList<>(Quickstarts.whole(one));
    overrides.addAll(small);
    var loaded = PipelineConfigurations.loader().load(configuration, overrides);
    Ensemble here = Ensemble.local(new HybridEngines(opened(new Lanes(2))));
    Pipeline.start(RunRequest.of(loaded.value(), loaded.text()).on(here)).result().get();

    Path two = directory.resolve("grpo-replicas");
    Ensemble seed = seed();
    node(seed, two, 1, "policy", "judge");
    node(seed, two, 1, "policy");
    overrides = new ArrayList<>(Quickstarts.whole(two));
    overrides.addAll(small);
    loaded = PipelineConfigurations.loader().load(configuration, overrides);
    Pipeline.start(RunRequest.of(loaded.value(), loaded.text()).on(seed)).result().get();
    List<Path> trained = files(one, "model.safetensors");
    assertThat(trained).hasSize(3);
    for (Path model : trained) {
      assertThat(two.resolve(one.relativize(model))).hasSameBinaryContentAs(model);
    }
  }

  /**
   * What two replicas have begun in shards, three end without, and rollout nodes have come as well.
   */
  @Test
  void aRunThatGoesOnWithMoreReplicas_andRolloutNodes_leavesTheBytesOfOneJvm() throws Exception {
    Path output = directory.resolve("goes-on");
    Ensemble before = seed();
    node(before, output, 1, "policy", "critic");
    node(before, output, 1, "policy", "critic");
    List<String> sharded = List.of("cluster.sharding=zero-2");
    var loaded = PipelineConfigurations.loader().load(CONFIGURATION, overrides(output, sharded));
    CompletableFuture<RunHandle> started = new CompletableFuture<>();
    StepListener stop =
        (stage, step, total, metrics) -> {
          if (stage.equals("ppo") && step == 1) {
            started.join().cancel();
          }
        };
    RunRequest request = RunRequest.of(loaded.value(), loaded.text());
    started.complete(Pipeline.start(request.listener(stop).on(before)));
    assertThat(started.join().result().get().outcome()).isEqualTo(RunResult.CANCELLED);
    assertThat(files(output.resolve("checkpoints"), "engine_state-00002-of-00002.safetensors"))
        .as("of policy and critic")
        .hasSize(2);

    Ensemble after = opened(Ensemble.seed(LOOPBACK, 0, 2, credentials()));
    for (int i = 0; i < 3; i++) {
      node(after, output, 1, "policy", "critic");
    }
    node(after, output, 1, Ensemble.ROLLOUT);
    node(after, output, 1, Ensemble.ROLLOUT);
    List<String> three =
        List.of("cluster.policy.replicas=3", "cluster.critic.replicas=3", "cluster.sharding=none");
    var more = PipelineConfigurations.loader().load(CONFIGURATION, overrides(output, three));
    Pipeline.resume(RunRequest.of(more.value(), more.text()).on(after)).result().get();
    assertSameBytesAsAlone(output);
  }

  private static List<Path> adapters(Path run) throws Exception {
    return files(run, "adapter_model.safetensors");
  }

  private static List<Path> files(Path run, String name) throws Exception {
    try (Stream<Path> files = Files.walk(run)) {
      return files
          .filter(file -> file.endsWith(name))
          .filter(file -> !run.relativize(file).toString().contains("checkpoints"))
          .toList();
    }
  }

  @Test
  void tooFewNodes_areNamedWithWhatIsMissing() {
    Path output = directory.resolve("few");
    Ensemble seed = seed();
    node(seed, output, 1, "policy", "critic");
    assertThatThrownBy(() -> run(seed, output, List.of("cluster.join-timeout-seconds=5")))
        .isInstanceOf(ExecutionException.class)
        .hasMessageContaining(
            "after 5 s 1 of 2 nodes with the role critic have joined, on which replicas of a role"
                + " are to be (cluster.ROLE.replicas). Start more with: troupe node --join ")
        .hasMessageEndingWith("--roles critic");
  }
}
