package dev.troupe.launcher;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.pipeline.PipelineConfig;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * The tasks of a SLURM job, each a node of the run, started by a step of its own: the end of one is
 * told at once, and each gets its credentials over its own standard input. The first take the
 * configuration's node roles; those beyond answer the policy's prompts.
 *
 * @param driver name of the host that the batch script runs on
 */
record SlurmNodes(SlurmAllocation allocation, String driver) implements NodePlan {
  @Override
  public int rollouts(PipelineConfig config) {
    return Math.max(0, allocation.hosts().size() - NodePlan.roles(config).size());
  }

  @Override
  public boolean here() {
    return false;
  }

  @Override
  public int nodes(String role) {
    return allocation.hosts().size();
  }

  @Override
  public String told(String role) {
    return "the job has " + allocation.hosts().size() + " tasks";
  }

  @Override
  public List<Start> starts(PipelineConfig config, String join) {
    List<String> hosts = allocation.hosts();
    List<List<String>> roles =
        new ArrayList<>(NodePlan.dealt(NodePlan.roles(config), hosts.size()));
    roles.addAll(Collections.nCopies(rollouts(config), List.of(Ensemble.ROLLOUT)));
    Names names = new Names();
    List<Start> starts = new ArrayList<>();
    for (int i = 0; i < hosts.size(); i++) {
      String host = hosts.get(i);
      int earlier = Collections.frequency(hosts.subList(0, i), host);
      List<String> command =
          new ArrayList<>(
              List.of("srun", "--nodes=1", "--ntasks=1", "--nodelist=" + host, "--overlap"));
      allocation.cpusPerTask().ifPresent(cpus -> command.add("--cpus-per-task=" + cpus));
      command.addAll(JavaCommand.ofThisProgram());
      command.addAll(
          NodePlan.arguments(
              config, join, roles.get(i), host, device(config.engine().device(), earlier)));
      starts.add(new Start(names.next(host), roles.get(i), command));
    }
    return starts;
  }

  /** Tasks of one host take the job's CUDA devices there in turn. */
  private String device(String named, int task) {
    boolean any = named.equals("auto") || named.equals("cuda");
    int gpus = allocation.gpusPerHost().orElse(0);
    return any && gpus > 0 ? "cuda:" + task % gpus : named;
  }
}
