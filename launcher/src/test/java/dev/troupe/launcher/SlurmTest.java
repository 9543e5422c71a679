package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.configuration.PipelineConfigurations;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is made of a SLURM job's environment, and the batch script that makes one. */
final class SlurmTest {
  private static final Path CONFIGURATION =
      Path.of(System.getProperty("troupe.root"), "configs/cluster-local.conf");

  /** Of sbatch --nodes=3, two tasks on the first two hosts, in SLURM 22.05. */
  private static final Map<String, String> JOB =
      Map.of(
          "SLURM_JOB_NODELIST", "n[1-3]",
          "SLURM_TASKS_PER_NODE", "2(x2),1",
          "SLURM_CPUS_PER_TASK", "4",
          "SLURM_GPUS_ON_NODE", "2");

  @TempDir private Path directory;

  private static SlurmAllocation allocation(String... more) {
    Map<String, String> environment = new HashMap<>(JOB);
    for (int i = 0; i < more.length; i += 2) {
      environment.put(more[i], more[i + 1]);
    }
    return SlurmAllocation.of(
        environment, list -> list.equals("n[1-3]") ? "n1\nn2\nn3\n" : list.replace(',', '\n'));
  }

  @Test
  void allocation_isAHostForEachTask() {
    assertThat(allocation().hosts()).containsExactly("n1", "n1", "n2", "n2", "n3");
    assertThat(allocation().cpusPerTask()).hasValue(4);
    assertThat(allocation().gpusPerHost()).hasValue(2);
    SlurmAllocation bare =
        SlurmAllocation.of(
            Map.of("SLURM_JOB_NODELIST", "a,b", "SLURM_TASKS_PER_NODE", "1(x2)"),
            list -> list.replace(',', '\n'));
    assertThat(bare)
        .isEqualTo(
            new SlurmAllocation(List.of("a", "b"), OptionalInt.empty(), OptionalInt.empty()));
  }

  @Test
  void allocation_whereThereIsNone_isTold() {
    assertThatThrownBy(() -> SlurmAllocation.of(Map.of(), list -> list))
        .isInstanceOf(UserException.class)
        .hasMessage(
            "--slurm is for the inside of a SLURM job, and SLURM_JOB_NODELIST is not set here;"
                + " write a batch script by --sbatch FILE and give that to sbatch");
    assertThatThrownBy(() -> allocation("SLURM_STEP_NUM_TASKS", "3"))
        .hasMessage(
            "--slurm starts the job's nodes itself, and this is one of 3 tasks that srun started;"
                + " call it once, from the batch script or by srun --ntasks=1");
    assertThat(allocation("SLURM_STEP_NUM_TASKS", "1").hosts()).hasSize(5);
    assertThatThrownBy(() -> allocation("SLURM_TASKS_PER_NODE", "2(x2)"))
        .hasMessage(
            "SLURM_TASKS_PER_NODE is 2(x2), which is for 2 hosts, and SLURM_JOB_NODELIST, n[1-3],"
                + " has 3");
    assertThatThrownBy(() -> allocation("SLURM_TASKS_PER_NODE", "2(y2)"))
        .hasMessage("SLURM_TASKS_PER_NODE is 2(y2), expected numbers such as 2(x3),1");
  }

  @Test
  void nodes_takeTheRolesInTurn_andTheRestAnswersPrompts() {
    PipelineConfig config = config("cuda");
    SlurmNodes nodes = new SlurmNodes(allocation(), "n1");
    List<NodePlan.Start> starts = nodes.starts(config, "n1:4000");
    assertThat(starts)
        .extracting(NodePlan.Start::name)
        .containsExactly("n1", "n1-2", "n2", "n2-2", "n3");
    assertThat(starts)
        .extracting(start -> after(start, "--roles"))
        .containsExactly("critic", "judge", "policy", "rollout", "rollout");
    assertThat(nodes.rollouts(config)).isEqualTo(2);
    assertThat(starts)
        .extracting(start -> after(start, "--device"))
        .containsExactly("cuda:0", "cuda:1", "cuda:0", "cuda:1", "cuda:0");
    assertThat(starts)
        .extracting(start -> after(start, "--host"))
        .containsExactly("n1", "n1", "n2", "n2", "n3");
    assertThat(starts.get(4).command())
        .startsWith(
            "srun", "--nodes=1", "--ntasks=1", "--nodelist=n3", "--overlap", "--cpus-per-task=4")
        .endsWith("--managed")
        .containsSequence("node", "--join", "n1:4000");
  }

  @Test
  void nodes_fewerThanRoles_takeSeveral() {
    PipelineConfig config = config("cpu");
    SlurmNodes nodes =
        new SlurmNodes(
            new SlurmAllocation(List.of("a", "b"), OptionalInt.empty(), OptionalInt.empty()), "a");
    assertThat(nodes.rollouts(config)).isZero();
    assertThat(nodes.starts(config, "a:1"))
        .extracting(start -> after(start, "--roles"))
        .containsExactly("critic,policy", "judge");
  }

  @Test
  void script_isBash_asksForAHostForEachRole_andIsNotWrittenOver() throws Exception {
    Path script = directory.resolve("job.sh");
    StringWriter out = new StringWriter();
    List<String> command =
        new ArrayList<>(List.of("launch", "--sbatch", script.toString(), "--rollouts", "2"));
    command.addAll(List.of(CONFIGURATION.toString(), "--set", "output=/runs/my run"));
    assertThat(run(out, command)).as(out.toString()).isZero();
    assertThat(out.toString())
        .isEqualTo(
            "written: "
                + script
                + "; look at its #SBATCH lines, then: sbatch "
                + script
                + System.lineSeparator());
    assertThat(script)
        .content()
        .startsWith("#!/bin/bash\n")
        .contains(
            "node roles critic, judge, policy, and 2 rollout workers.\n",
            "#SBATCH --job-name=troupe-my-run\n",
            "#SBATCH --nodes=5\n",
            " launch --slurm $resume " + CONFIGURATION + " --set 'output=/runs/my run' &\n",
            "[ -e '/runs/my run'/identity.json ]");
    Process bash = new ProcessBuilder("bash", "-n", script.toString()).start();
    assertThat(bash.waitFor(10, TimeUnit.SECONDS)).isTrue();
    assertThat(bash.exitValue()).isZero();

    StringWriter again = new StringWriter();
    assertThat(run(again, command)).isEqualTo(2);
    assertThat(again.toString()).contains(script + " exists already; remove it or name another");
  }

  @Test
  void slurm_withRollouts_isTold() {
    StringWriter out = new StringWriter();
    assertThat(run(out, List.of("launch", "--slurm", "--rollouts", "1", CONFIGURATION.toString())))
        .isEqualTo(2);
    assertThat(out.toString())
        .contains(
            "--rollouts is for --local, --sbatch, --kubernetes and --compose; give the job tasks beyond"
                + " the configuration's node roles instead");
  }

  private static int run(StringWriter out, List<String> command) {
    return Troupe.execute(
        new PrintWriter(out), new PrintWriter(out), command.toArray(String[]::new));
  }

  private static PipelineConfig config(String device) {
    return PipelineConfigurations.loader()
        .load(CONFIGURATION, List.of("engine.device=" + device))
        .value();
  }

  private static String after(NodePlan.Start start, String option) {
    List<String> command = start.command();
    return command.get(command.indexOf(option) + 1);
  }
}
