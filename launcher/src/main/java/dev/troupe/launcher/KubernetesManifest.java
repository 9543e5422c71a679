package dev.troupe.launcher;

import java.nio.file.Path;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * A run in Kubernetes: a Job for the driver, one for the nodes of each node role, a headless
 * Service that gives their pods names, and the configuration. The certificates are a Secret, which
 * is made apart, so that this can be kept where files are kept.
 *
 * @param text in YAML
 */
record KubernetesManifest(String text) {
  /** When a driver's pod is made again. */
  private static final String AGAIN =
      """
      # What a person has to mend (exit code 2) is not tried again; a pod that had to make room is, as often as that happens.
      podFailurePolicy:
        rules:
          - {action: FailJob, onExitCodes: {containerName: driver, operator: In, values: [2]}}
          - {action: Ignore, onPodConditions: [{type: DisruptionTarget}]}
      """;

  static KubernetesManifest of(ContainerRun run) {
    String driver = "driver." + service(run);
    String head =
        String.format(
            Locale.ROOT,
            """
        # A run of Troupe: a driver, and nodes with the roles %s.
        # Claim '%s' holds the model and takes the output; all pods have it at %s (access mode ReadWriteMany where
        # they are on several machines). Set what each job asks for under 'resources'.
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: %s
          labels: %s
        data:
          run.conf: |
        %s
        ---
        # Names of the pods; a node is looked up before it is ready.
        apiVersion: v1
        kind: Service
        metadata:
          name: %s
          labels: %s
        spec:
          clusterIP: None
          publishNotReadyAddresses: true
          selector: %s
          ports:
            - {name: cluster, port: %d}
        """,
            run.groups().stream()
                .map(group -> group.role() + " (" + group.count() + ")")
                .collect(Collectors.joining(", ")),
            run.volume().source(),
            run.volume().path(),
            service(run),
            labels(run),
            ContainerRun.indented(run.configuration(), 4),
            service(run),
            labels(run),
            labels(run),
            ContainerRun.CLUSTER_PORT);
    return new KubernetesManifest(
        head
            + driver(run, driver)
            + run.groups().stream()
                .map(group -> nodes(run, group, driver))
                .collect(Collectors.joining()));
  }

  /** What to do with it. */
  static String next(ContainerRun run, Path file, Path certificates) {
    String secret =
        run.nodes().stream()
            .map(
                node ->
                    " --from-file="
                        + node
                        + "="
                        + quoted(certificates.resolve(node).resolve(ContainerRun.NODE)))
            .collect(Collectors.joining());
    return "kubectl create secret generic "
        + service(run)
        + " --from-file=driver="
        + quoted(certificates.resolve(ContainerRun.AUTHORITY))
        + secret
        + "\nkubectl apply -f "
        + quoted(file)
        + "\nkubectl logs -f job/"
        + service(run)
        + "-driver"
        + "\nkubectl port-forward job/"
        + service(run)
        + "-driver 8265    # the page, at http://127.0.0.1:8265/";
  }

  private static String quoted(Path path) {
    return Invocation.quoted(path.toString());
  }

  private static String driver(ContainerRun run, String driver) {
    return job(
        run,
        "driver",
        "\n" + AGAIN.indent(2).stripTrailing(),
        "hostname: driver\n      restartPolicy: Never",
        "driver",
        ContainerRun.AUTHORITY,
        "command: [\"/bin/bash\", \"-c\", " + ContainerRun.quoted(run.driver(driver)) + "]",
        "{}  # limits: {cpu: 2, memory: 4Gi}");
  }

  private static String nodes(ContainerRun run, ContainerRun.Group group, String driver) {
    String job = service(run) + "-" + group.role();
    String host = job + "-$(JOB_COMPLETION_INDEX)." + service(run);
    return job(
        run,
        group.role(),
        "\n  completionMode: Indexed\n  completions: "
            + group.count()
            + "\n  parallelism: "
            + group.count(),
        "restartPolicy: OnFailure",
        group.node(0).replaceFirst("0$", "\\$(JOB_COMPLETION_INDEX)"),
        ContainerRun.NODE,
        "args: " + ContainerRun.listed(run.node(group, driver, host)),
        run.cuda()
            ? "{limits: {nvidia.com/gpu: 1}}"
            : "{}  # limits: {cpu: 8, memory: 32Gi, nvidia.com/gpu: 1}");
  }

  private static String job(
      ContainerRun run,
      String name,
      String indexed,
      String named,
      String secret,
      String certificate,
      String command,
      String resources) {
    return String.format(
        Locale.ROOT,
        """
        ---
        apiVersion: batch/v1
        kind: Job
        metadata:
          name: %1$s-%2$s
          labels: %3$s
        spec:%4$s
          backoffLimit: 10
          template:
            metadata:
              labels: %3$s
            spec:
              %5$s
              subdomain: %1$s
              automountServiceAccountToken: false
              securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, fsGroupChangePolicy: OnRootMismatch, seccompProfile: {type: RuntimeDefault}}
              initContainers:
                # A pod has its own certificate alone, and no other user may read it, as a Secret's files can be by the group.
                - name: certificate
                  image: %6$s
                  command: ["/usr/bin/install", "-D", "-m", "600", "/secret/%7$s", "%8$s/%9$s"]
                  securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
                  volumeMounts:
                    - {name: secret, mountPath: /secret, readOnly: true}
                    - {name: certificate, mountPath: %8$s}
              containers:
                - name: %2$s
                  image: %6$s
                  %10$s
                  workingDir: %11$s
                  env:
                    - {name: TROUPE_HEAP, value: 2g}
                  resources: %12$s
                  startupProbe: {httpGet: {path: /alive, port: %13$d}, periodSeconds: 2, failureThreshold: 60}
                  livenessProbe: {httpGet: {path: /alive, port: %13$d}, periodSeconds: 20, timeoutSeconds: 10, failureThreshold: 6}
                  readinessProbe: {httpGet: {path: /ready, port: %13$d}, periodSeconds: 5}
                  securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
                  volumeMounts:
                    - {name: data, mountPath: %11$s}
                    - {name: certificate, mountPath: %8$s, readOnly: true}
                    - {name: configuration, mountPath: /etc/troupe, readOnly: true}
              volumes:
                - {name: data, persistentVolumeClaim: {claimName: %14$s}}
                - {name: certificate, emptyDir: {medium: Memory}}
                - {name: secret, secret: {secretName: %1$s, defaultMode: 288}}
                - {name: configuration, configMap: {name: %1$s}}
        """,
        service(run),
        name,
        labels(run),
        indexed,
        named,
        ContainerRun.quoted(run.image()),
        secret,
        ContainerRun.CERTIFICATES,
        certificate,
        command,
        ContainerRun.quoted(run.volume().path().toString()),
        resources,
        ContainerRun.HEALTH_PORT,
        ContainerRun.quoted(run.volume().source()));
  }

  private static String service(ContainerRun run) {
    return "troupe-" + run.name();
  }

  private static String labels(ContainerRun run) {
    return "{app.kubernetes.io/name: troupe, app.kubernetes.io/instance: " + run.name() + "}";
  }
}
