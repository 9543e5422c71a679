package dev.troupe.launcher;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.models.torch.Device;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Processes on this machine.
 *
 * @param processes that share the configuration's node roles
 * @param workers further ones, each of which answers the policy's prompts
 * @param driver address of this machine
 */
record LocalNodes(int processes, int workers, String driver) implements NodePlan {
  @Override
  public int rollouts(PipelineConfig config) {
    return workers;
  }

  @Override
  public boolean here() {
    return true;
  }

  @Override
  public int nodes(String role) {
    return processes;
  }

  @Override
  public String told(String role) {
    return "--local is " + processes;
  }

  @Override
  public Optional<String> note(PipelineConfig config) {
    List<String> roles = NodePlan.names(config);
    return processes > roles.size()
        ? Optional.of(
            "the configuration places roles on "
                + roles.size()
                + " nodes ("
                + String.join(", ", roles)
                + "); starting "
                + roles.size())
        : Optional.empty();
  }

  @Override
  public List<Start> starts(PipelineConfig config, String join) {
    String named = config.engine().device();
    Device chosen = Device.of(named);
    List<Start> starts = new ArrayList<>();
    List<List<String>> names = NodePlan.dealt(NodePlan.names(config), processes);
    for (List<String> own : NodePlan.dealt(NodePlan.roles(config), processes)) {
      String name = String.join("-", names.get(starts.size()));
      starts.add(start(config, join, name, own, named, chosen, starts.size()));
    }
    // With no process here, all nodes are started by hand, and these are waited for.
    for (int i = 1; i <= (processes == 0 ? 0 : workers); i++) {
      String name = Ensemble.ROLLOUT + "-" + i;
      List<String> own = List.of(Ensemble.ROLLOUT);
      starts.add(start(config, join, name, own, named, chosen, starts.size()));
    }
    return starts;
  }

  private Start start(
      PipelineConfig config,
      String join,
      String name,
      List<String> own,
      String named,
      Device chosen,
      int number) {
    String device = device(named, chosen, number, Device.cudaDevices());
    List<String> command = new ArrayList<>(JavaCommand.ofThisProgram());
    command.addAll(NodePlan.arguments(config, join, own, driver, device));
    return new Start(name, own, command);
  }

  /** Nodes of one machine take its CUDA devices in turn, unless the configuration names one. */
  static String device(String named, Device chosen, int node, int devices) {
    boolean any = named.equals("auto") || named.equals("cuda");
    return any && chosen.isCuda() ? Device.cuda(node % devices).toString() : named;
  }
}
