package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.configuration.PipelineConfigurations;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

/** Nodes for roles with replicas. */
final class NodePlanTest {
  private static final Path CONFIGURATION =
      Path.of(System.getProperty("troupe.root"), "configs/cluster-replicas.conf");

  private static PipelineConfig config(String... more) {
    List<String> overrides = new ArrayList<>(List.of("model=\"m\"", "engine.device=cpu"));
    overrides.addAll(List.of(more));
    return PipelineConfigurations.loader().load(CONFIGURATION, overrides).value();
  }

  private static LocalNodes local(int processes) {
    return new LocalNodes(processes, 0, "127.0.0.1");
  }

  private static String roles(NodePlan.Start start) {
    return start.command().get(start.command().indexOf("--roles") + 1);
  }

  @Test
  void local_hasAProcessForEachReplica_underANameOfItsOwn() {
    List<NodePlan.Start> starts = local(9).starts(config(), "127.0.0.1:1");
    assertThat(starts)
        .extracting(NodePlan.Start::name)
        .containsExactly("critic-1", "critic-2", "policy-1", "policy-2");
    assertThat(starts)
        .extracting(NodePlanTest::roles)
        .containsExactly("critic", "critic", "policy", "policy");
    assertThat(local(9).note(config()))
        .contains(
            "the configuration places roles on 4 nodes (critic-1, critic-2, policy-1, policy-2);"
                + " starting 4");
  }

  @Test
  void local_withFewerProcesses_givesNoneTwoReplicas() {
    assertThat(local(2).starts(config(), "127.0.0.1:1"))
        .extracting(NodePlanTest::roles)
        .containsExactly("critic,policy", "critic,policy");
    List<NodePlan.Start> starts =
        local(3).starts(config("cluster.policy.replicas=3"), "127.0.0.1:1");
    assertThat(starts)
        .extracting(NodePlan.Start::name)
        .containsExactly("critic-1-policy-2", "critic-2-policy-3", "policy-1");
    assertThat(starts)
        .extracting(NodePlanTest::roles)
        .containsExactly("critic,policy", "critic,policy", "policy");
  }

  @Test
  void fewerNodesThanReplicas_areRefused() {
    assertThatCode(() -> local(2).check(config())).doesNotThrowAnyException();
    assertThatThrownBy(() -> local(1).check(config()))
        .isInstanceOf(UserException.class)
        .hasMessage(
            "cluster.critic.replicas is 2, each on a node of its own with the role critic, and"
                + " --local is 1, allowed: at least 2");
    HostsFile file =
        new HostsFile(
            List.of(
                new HostsFile.Host("a", List.of("critic", "policy"), Optional.empty()),
                new HostsFile.Host("b", List.of("critic"), Optional.empty())));
    assertThatThrownBy(() -> new HostNodes(file, "ssh", "a").check(config()))
        .hasMessage(
            "cluster.policy.replicas is 2, each on a node of its own with the role policy, and"
                + " --hosts names 1, allowed: at least 2");
    SlurmAllocation allocation =
        new SlurmAllocation(List.of("a"), OptionalInt.empty(), OptionalInt.empty());
    assertThatThrownBy(() -> new SlurmNodes(allocation, "a").check(config()))
        .hasMessageContaining("and the job has 1 tasks, allowed: at least 2");
  }

  @Test
  void noProcessHere_rolloutWorkersAreWaitedForAndNotStarted() {
    LocalNodes byHand = new LocalNodes(0, 2, "127.0.0.1");
    assertThat(byHand.rollouts(config())).isEqualTo(2);
    assertThat(byHand.starts(config(), "127.0.0.1:1")).isEmpty();
    assertThat(new LocalNodes(1, 2, "127.0.0.1").starts(config(), "127.0.0.1:1")).hasSize(3);
  }
}
