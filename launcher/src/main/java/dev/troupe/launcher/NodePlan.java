package dev.troupe.launcher;

import dev.troupe.actors.pipeline.PipelineConfig;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/** Where the nodes of a launch are, what each plays, and how it is started. */
sealed interface NodePlan permits LocalNodes, HostNodes, SlurmNodes {
  /**
   * A node's process.
   *
   * @param name of its log and its certificate
   * @param command that starts it, here or elsewhere
   */
  record Start(String name, List<String> command) {
    public Start {
      command = List.copyOf(command);
    }
  }

  /** How many nodes answer the policy's prompts with its weights; 0 when it does so itself. */
  int rollouts(PipelineConfig config);

  /** How the nodes reach the driver. */
  String driver();

  /** Whether all of them are on this machine, so that its devices are theirs. */
  boolean here();

  /**
   * The nodes, in order.
   *
   * @param join address of the driver's own node
   */
  List<Start> starts(PipelineConfig config, String join);

  /** What to say before they are started. */
  default Optional<String> note(PipelineConfig config) {
    return Optional.empty();
  }

  /** The node roles that the configuration names. */
  static List<String> roles(PipelineConfig config) {
    return List.copyOf(new TreeSet<>(config.cluster().placement().values()));
  }

  /** Roles in turn to so many processes, of which none is without. */
  static List<List<String>> dealt(List<String> roles, int processes) {
    List<List<String>> dealt = new ArrayList<>();
    int count = Math.min(processes, roles.size());
    for (int i = 0; i < count; i++) {
      List<String> own = new ArrayList<>();
      for (int role = i; role < roles.size(); role += count) {
        own.add(roles.get(role));
      }
      dealt.add(List.copyOf(own));
    }
    return List.copyOf(dealt);
  }

  /** What {@code troupe} is told to be such a node; nothing of it needs a shell's quotes. */
  static List<String> arguments(
      PipelineConfig config, String join, List<String> roles, String host, String device) {
    return List.of(
        "node",
        "--join",
        join,
        "--roles",
        String.join(",", roles),
        "--host",
        host,
        "--device",
        device,
        "--join-timeout",
        String.valueOf(config.cluster().joinTimeoutSeconds()),
        "--managed");
  }

  /** Names of nodes after their hosts: the host's own, and from its second node on a number. */
  final class Names {
    private final Map<String, Integer> nodes = new HashMap<>();

    String next(String host) {
      int count = nodes.merge(host, 1, Integer::sum);
      return count == 1 ? host : host + "-" + count;
    }
  }
}
