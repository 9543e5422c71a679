package dev.troupe.launcher;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.pipeline.PipelineConfig;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** Where the nodes of a launch are, what each plays, and how it is started. */
sealed interface NodePlan permits LocalNodes, HostNodes, SlurmNodes {
  /**
   * A node's process.
   *
   * @param name of its log and its certificate
   * @param roles node roles that it has
   * @param command that starts it, here or elsewhere
   */
  record Start(String name, List<String> roles, List<String> command) {
    public Start {
      roles = List.copyOf(roles);
      command = List.copyOf(command);
    }

    /** Whether it answers prompts and nothing else. */
    boolean onlyAnswers() {
      return roles.equals(List.of(Ensemble.ROLLOUT));
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

  /** How many nodes of a role this starts, at most. */
  int nodes(String role);

  /** As how many the user said: how a sentence goes on. */
  String told(String role);

  /** The node roles that the configuration names, each as often as it needs nodes. */
  static List<String> roles(PipelineConfig config) {
    List<String> roles = new ArrayList<>();
    needed(config).forEach((role, count) -> roles.addAll(Collections.nCopies(count, role)));
    return List.copyOf(roles);
  }

  private static Map<String, Integer> needed(PipelineConfig config) {
    return Ensemble.nodes(config.cluster().placement(), config.cluster().replicas());
  }

  /** The same with a number behind those that several nodes have. */
  static List<String> names(PipelineConfig config) {
    List<String> names = new ArrayList<>();
    needed(config)
        .forEach(
            (role, count) -> {
              for (int i = 1; i <= count; i++) {
                names.add(count == 1 ? role : role + "-" + i);
              }
            });
    return List.copyOf(names);
  }

  /**
   * Checks that each replica of a role gets a node of its own.
   *
   * @throws UserException when there are too few
   */
  default void check(PipelineConfig config) {
    needed(config)
        .forEach(
            (role, count) -> {
              if (count > 1 && nodes(role) < count) {
                throw new UserException(
                    replicated(config, role, count)
                        + ", each on a node of its own with the role "
                        + role
                        + ", and "
                        + told(role)
                        + ", allowed: at least "
                        + count);
              }
            });
  }

  /** The roles on nodes of a node role that have the most replicas. */
  private static String replicated(PipelineConfig config, String nodeRole, int count) {
    return config.cluster().placement().entrySet().stream()
        .filter(entry -> entry.getValue().equals(nodeRole))
        .map(Map.Entry::getKey)
        .filter(role -> config.cluster().replicas().getOrDefault(role, 1) == count)
        .sorted()
        .map(role -> "cluster." + role + ".replicas is " + count)
        .collect(Collectors.joining(" and "));
  }

  /**
   * Roles in turn to so many processes, of which none is without. Of a role that several need none
   * has two, where there are as many processes.
   */
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
