package dev.troupe.launcher;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.pipeline.PipelineConfig;
import java.util.ArrayList;
import java.util.List;

/**
 * The hosts of a file, over ssh.
 *
 * @param ssh the command that runs a line on a host
 * @param driver how they reach this machine
 */
record HostNodes(HostsFile file, String ssh, String driver) implements NodePlan {
  @Override
  public int rollouts(PipelineConfig config) {
    return file.count(Ensemble.ROLLOUT);
  }

  @Override
  public boolean here() {
    return false;
  }

  @Override
  public int nodes(String role) {
    return file.count(role);
  }

  @Override
  public String told(String role) {
    return "--hosts names " + file.count(role);
  }

  @Override
  public List<Start> starts(PipelineConfig config, String join) {
    String device = config.engine().device();
    String home = System.getenv().getOrDefault("TROUPE_HOME", System.getProperty("user.dir"));
    Names names = new Names();
    List<Start> starts = new ArrayList<>();
    for (HostsFile.Host node : file.hosts()) {
      String host = node.name().replaceFirst(".*@", "");
      List<String> arguments =
          NodePlan.arguments(config, join, node.roles(), host, node.device().orElse(device));
      List<String> command = new ArrayList<>(List.of(ssh.split(" ", -1)));
      command.add(node.name());
      command.add(
          "cd '" + home.replace("'", "'\\''") + "' && ./troupe " + String.join(" ", arguments));
      starts.add(new Start(names.next(node.name()), node.roles(), command));
    }
    return starts;
  }
}
