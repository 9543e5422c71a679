package dev.troupe.launcher;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.configuration.ConfigurationLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A run whose driver and nodes are containers of one image, as a file for Kubernetes or for Docker
 * Compose tells it. The driver has a name that nodes find it by; each node role has containers of
 * its own. Model, data and output lie on a volume that all have under the same path.
 *
 * @param name of the run, a part of host names
 * @param image that all containers are of
 * @param volume what it is called where the containers run, and its path in them
 * @param configuration as text, overrides in it and variables put in; what was not given stays with
 *     the defaults
 * @param output the run's directory, as a container has it
 * @param groups containers by node role
 * @param joinSeconds how long driver and nodes wait for one another
 * @param cuda whether nodes compute on CUDA devices
 */
record ContainerRun(
    String name,
    String image,
    Volume volume,
    String configuration,
    Path output,
    List<Group> groups,
    int joinSeconds,
    boolean cuda) {
  /** The image's entry point. */
  private static final String PROGRAM = "/app/bin/troupe";

  static final int CLUSTER_PORT = 7355;
  static final int HEALTH_PORT = 8558;

  /** Containers come up when there is room for them: later than nodes that are started at once. */
  private static final int JOIN_SECONDS = 1800;

  /** Where a container finds the configuration, its own certificate, and the key of the run's. */
  static final String CONFIGURATION = "/etc/troupe/run.conf";

  static final String CERTIFICATES = "/run/troupe";

  /** The file name of an authority in {@link #CERTIFICATES}, and that of a node. */
  static final String AUTHORITY = "authority/authority.pem";

  static final String NODE = "node.pem";

  /** What Kubernetes allows in a host name, with room for what is put around it. */
  private static final Pattern LABEL = Pattern.compile("[a-z]([a-z0-9-]{0,28}[a-z0-9])?");

  /** A volume; {@code SOURCE:PATH} as an option. */
  record Volume(String source, Path path) {
    static Volume parse(String text) {
      int colon = text.lastIndexOf(':');
      if (colon < 1 || !text.startsWith("/", colon + 1)) {
        throw new UserException(
            "--volume is '"
                + text
                + "', expected SOURCE:PATH with an absolute path in the containers; for example"
                + " training:/data");
      }
      return new Volume(text.substring(0, colon), Path.of(text.substring(colon + 1)).normalize());
    }
  }

  /**
   * The containers of a node role.
   *
   * @param count at least 1
   */
  record Group(String role, int count) {
    /** Of one container, from 0; what its certificate is called. */
    String node(int index) {
      return role + "-" + index;
    }
  }

  ContainerRun {
    groups = List.copyOf(groups);
  }

  /**
   * That of a configuration.
   *
   * @param rollouts further nodes that answer the policy's prompts
   * @throws UserException when something of it cannot be so in containers
   */
  static ContainerRun of(
      ConfigurationLoader.Loaded<PipelineConfig> loaded,
      String image,
      Volume volume,
      int rollouts) {
    PipelineConfig config = loaded.value();
    Path output = volume.path().resolve(config.output()).normalize();
    String name =
        String.valueOf(output.getFileName())
            .toLowerCase(Locale.ROOT)
            .replaceAll("[^a-z0-9]+", "-")
            .replaceAll("^-+|-+$", "");
    if (!LABEL.matcher(name).matches()) {
      throw new UserException(
          "output ends in '"
              + output.getFileName()
              + "', which containers are to be named after; take up to 30 letters, digits and '-',"
              + " a letter first");
    }
    Map<String, Integer> counts = new LinkedHashMap<>();
    NodePlan.roles(config).forEach(role -> counts.merge(role, 1, Integer::sum));
    if (rollouts > 0) {
      counts.merge(Ensemble.ROLLOUT, rollouts, Integer::sum);
    }
    List<Group> groups = new ArrayList<>();
    counts.forEach(
        (role, count) -> {
          if (!LABEL.matcher(role).matches()) {
            throw new UserException(
                "node role '"
                    + role
                    + "' cannot be part of a container's host name; take up to 30 small letters,"
                    + " digits and '-', a letter first");
          }
          groups.add(new Group(role, count));
        });
    inVolume(volume, "output", config.output());
    config.model().ifPresent(model -> inVolume(volume, "model", model));
    config.start().policy().ifPresent(from -> inVolume(volume, "start.policy", from));
    config.start().reward().ifPresent(from -> inVolume(volume, "start.reward", from));
    return new ContainerRun(
        name,
        image,
        volume,
        portable(loaded.settings()),
        output,
        groups,
        Math.max(JOIN_SECONDS, config.cluster().joinTimeoutSeconds()),
        config.engine().device().startsWith("cuda"));
  }

  /** Paths of this machine lead nowhere in a container, but for those that it has as well. */
  private static void inVolume(Volume volume, String key, String named) {
    Path path = Path.of(named);
    if (path.isAbsolute()
        && !path.normalize().startsWith(volume.path())
        && home().filter(path.normalize()::startsWith).isEmpty()) {
      throw new UserException(
          key
              + " is "
              + named
              + ", which containers do not have: their volume is at "
              + volume.path()
              + ". Put it there, or name it relative to that");
    }
  }

  /** What Troupe itself brings is in the image, wherever that has it. */
  private static String portable(List<ConfigurationLoader.Setting> settings) {
    String text =
        settings.stream()
            .map(setting -> setting.key() + " = " + setting.value())
            .collect(Collectors.joining("\n"));
    return home().map(home -> text.replace("\"" + home + "/", "${TROUPE_HOME}\"/")).orElse(text);
  }

  private static Optional<Path> home() {
    return Optional.ofNullable(System.getenv("TROUPE_HOME")).map(Path::of);
  }

  /** The names of all nodes. */
  List<String> nodes() {
    List<String> nodes = new ArrayList<>();
    for (Group group : groups) {
      for (int i = 0; i < group.count(); i++) {
        nodes.add(group.node(i));
      }
    }
    return nodes;
  }

  /**
   * A shell's line for the driver: what was begun and not ended goes on.
   *
   * @param host its name, as nodes reach it
   * @param more further arguments
   */
  String driver(String host, String... more) {
    List<String> words =
        new ArrayList<>(
            List.of(
                "launch",
                "--local",
                "0",
                "--certificates",
                CERTIFICATES,
                "--host",
                host,
                "--port",
                String.valueOf(CLUSTER_PORT),
                // Who restarts containers restarts the driver too.
                "--restarts",
                "0",
                "--health",
                String.valueOf(HEALTH_PORT)));
    groups.stream()
        .filter(group -> group.role().equals(Ensemble.ROLLOUT))
        .forEach(group -> words.addAll(List.of("--rollouts", String.valueOf(group.count()))));
    words.addAll(List.of(more));
    words.addAll(List.of("--set", "cluster.join-timeout-seconds=" + joinSeconds, CONFIGURATION));
    return "if [ -e "
        + Invocation.quoted(output.resolve("identity.json").toString())
        + " ]; then set -- --resume; fi; exec "
        + PROGRAM
        + " "
        + String.join(" ", words)
        + " \"$@\"";
  }

  /**
   * The arguments of a node.
   *
   * @param host its own name
   */
  List<String> node(Group group, String driver, String host) {
    return List.of(
        "node",
        "--join",
        driver + ":" + CLUSTER_PORT,
        "--roles",
        group.role(),
        "--host",
        host,
        "--port",
        String.valueOf(CLUSTER_PORT),
        "--health",
        String.valueOf(HEALTH_PORT),
        "--certificates",
        CERTIFICATES,
        "--output",
        output.toString(),
        "--join-timeout",
        String.valueOf(joinSeconds));
  }

  /** A word in YAML, which takes JSON's strings. */
  static String quoted(String word) {
    return "\"" + word.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
  }

  /** Words in YAML. */
  static String listed(List<String> words) {
    return words.stream().map(ContainerRun::quoted).toList().toString();
  }

  /** Lines further in; those of a text block in YAML. */
  static String indented(String lines, int by) {
    return lines.indent(by).stripTrailing();
  }
}
