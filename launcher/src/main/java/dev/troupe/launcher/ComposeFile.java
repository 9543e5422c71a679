package dev.troupe.launcher;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * A run as Docker Compose starts it on one machine: a service for the driver and one for each node.
 *
 * @param text in YAML
 */
record ComposeFile(String text) {
  private static final String DRIVER = "driver";

  /**
   * That of a run.
   *
   * @param certificates the directory that the run's are in, on this machine
   * @param user number of whom they belong to, and the output is to
   * @param group likewise
   */
  static ComposeFile of(ContainerRun run, Path certificates, int user, int group) {
    List<String> services = new ArrayList<>();
    services.add(
        service(
            run,
            DRIVER,
            "entrypoint: [\"/bin/bash\", \"-c\"]\n    command: ["
                + ContainerRun.quoted(
                    dollars(run.driver(DRIVER, "--set", "dashboard.host=0.0.0.0")))
                + "]",
            certificates.resolve(ContainerRun.AUTHORITY),
            ContainerRun.AUTHORITY,
            "ports: [\"127.0.0.1:8265:8265\"]  # the page"));
    for (ContainerRun.Group of : run.groups()) {
      for (int i = 0; i < of.count(); i++) {
        String node = of.node(i);
        services.add(
            service(
                run,
                node,
                "command: " + ContainerRun.listed(run.node(of, DRIVER, node)),
                certificates.resolve(node).resolve(ContainerRun.NODE),
                ContainerRun.NODE,
                "depends_on: ["
                    + DRIVER
                    + "]"
                    + (run.cuda()
                        ? "\n    deploy: {resources: {reservations: {devices: [{driver: nvidia,"
                            + " count: 1, capabilities: [gpu]}]}}}"
                        : "")));
      }
    }
    return new ComposeFile(
        String.format(
                Locale.ROOT,
                """
        # A run of Troupe: a driver, and nodes with the roles %s.
        # docker compose -f THIS up; its page is at http://127.0.0.1:8265/. What it trains is in %s.
        name: troupe-%s
        x-troupe: &troupe
          image: %s
          # Whose certificates and output are: you.
          user: "%d:%d"
          working_dir: %s
          restart: on-failure:10
          environment: {TROUPE_HEAP: 2g}
          configs: [{source: run, target: %s}]
          healthcheck:
            test: ["CMD", "/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/%d && printf 'GET /ready HTTP/1.0\\\\r\\\\n\\\\r\\\\n' >&3 && grep -q ' 200 ' <&3"]
            start_period: 60s
        configs:
          run:
            content: |
        %s
        services:
        """,
                run.groups().stream()
                    .map(of -> of.role() + " (" + of.count() + ")")
                    .collect(Collectors.joining(", ")),
                run.output(),
                run.name(),
                ContainerRun.quoted(run.image()),
                user,
                group,
                ContainerRun.quoted(run.volume().path().toString()),
                ContainerRun.CONFIGURATION,
                ContainerRun.HEALTH_PORT,
                ContainerRun.indented(dollars(run.configuration()), 6))
            + String.join("", services));
  }

  /** What to do with it. */
  static String next(Path file) {
    return "docker compose -f " + Invocation.quoted(file.toString()) + " up";
  }

  private static String service(
      ContainerRun run, String name, String command, Path certificate, String as, String more) {
    return String.format(
        Locale.ROOT,
        """
          %s:
            <<: *troupe
            hostname: %s
            %s
            volumes:
              - {type: bind, source: %s, target: %s}
              - {type: bind, source: %s, target: %s/%s, read_only: true}
            %s
        """,
        name,
        name,
        command,
        ContainerRun.quoted(run.volume().source()),
        ContainerRun.quoted(run.volume().path().toString()),
        ContainerRun.quoted(certificate.toAbsolutePath().normalize().toString()),
        ContainerRun.CERTIFICATES,
        as,
        more);
  }

  /** Compose puts variables in the place of single ones. */
  private static String dollars(String text) {
    return text.replace("$", "$$");
  }
}
