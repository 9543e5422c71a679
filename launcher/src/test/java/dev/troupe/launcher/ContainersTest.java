package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.troupe.actors.trust.Authority;
import dev.troupe.actors.trust.Credentials;
import dev.troupe.configuration.PipelineConfigurations;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The files that start a run in containers say what the configuration does. */
final class ContainersTest {
  private static final Path CONFIGURATIONS =
      Path.of(System.getProperty("troupe.root"), "configs").toAbsolutePath().normalize();

  private static final List<String> REPLICAS =
      List.of(
          CONFIGURATIONS.resolve("cluster-replicas.conf").toString(),
          "--set",
          "model=/data/base",
          "--set",
          "output=runs/My run");

  private static final YAMLMapper YAML = new YAMLMapper();

  @TempDir private Path directory;

  private String launch(int code, String where, Path file, List<String> more) {
    List<String> command = new ArrayList<>(List.of("launch", where, file.toString()));
    command.addAll(more);
    StringWriter out = new StringWriter();
    assertThat(
            Troupe.execute(
                new PrintWriter(out), new PrintWriter(out), command.toArray(String[]::new)))
        .as(out.toString())
        .isEqualTo(code);
    return out.toString();
  }

  private static List<String> with(String... more) {
    return Stream.concat(Stream.of(more), REPLICAS.stream()).toList();
  }

  private static List<String> texts(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).map(JsonNode::asText).toList();
  }

  private static String after(List<String> words, String option) {
    return words.get(words.indexOf(option) + 1);
  }

  @Test
  void kubernetes_isAJobForEachNodeRole_andTheConfigurationAsItIs() throws Exception {
    Path file = directory.resolve("run.yaml");
    String said =
        launch(
            0,
            "--kubernetes",
            file,
            with("--volume", "training:/data", "--image", "mine/troupe:1", "--rollouts", "3"));
    List<JsonNode> documents;
    try (MappingIterator<JsonNode> read =
        YAML.readerFor(JsonNode.class).readValues(file.toFile())) {
      documents = read.readAll();
    }
    assertThat(documents)
        .extracting(it -> it.at("/kind").asText() + " " + it.at("/metadata/name").asText())
        .containsExactly(
            "ConfigMap troupe-my-run",
            "Service troupe-my-run",
            "Job troupe-my-run-driver",
            "Job troupe-my-run-critic",
            "Job troupe-my-run-policy",
            "Job troupe-my-run-rollout");

    // What a pod is given is what was asked for.
    Path given = directory.resolve("run.conf");
    Files.writeString(given, documents.get(0).at("/data/run.conf").asText());
    var asked =
        PipelineConfigurations.loader()
            .load(Path.of(REPLICAS.get(0)), List.of("model=/data/base", "output=runs/My run"));
    assertThat(PipelineConfigurations.loader().load(given, List.of()).value())
        .isEqualTo(asked.value());

    JsonNode driver = documents.get(2).at("/spec/template/spec");
    assertThat(driver.at("/hostname").asText()).isEqualTo("driver");
    assertThat(texts(driver.at("/containers/0/command")).get(2))
        .isEqualTo(
            "if [ -e '/data/runs/My run/identity.json' ]; then set -- --resume; fi; exec"
                + " /app/bin/troupe launch --local 0 --certificates /run/troupe --host"
                + " driver.troupe-my-run --port 7355 --restarts 0 --health 8558 --rollouts 3 --set"
                + " cluster.join-timeout-seconds=1800 /etc/troupe/run.conf \"$@\"");
    JsonNode policy = documents.get(4).at("/spec");
    assertThat(policy.at("/completions").asInt()).isEqualTo(2);
    assertThat(policy.at("/parallelism").asInt()).isEqualTo(2);
    assertThat(policy.at("/completionMode").asText()).isEqualTo("Indexed");
    List<String> arguments = texts(policy.at("/template/spec/containers/0/args"));
    assertThat(arguments).startsWith("node", "--join", "driver.troupe-my-run:7355");
    assertThat(after(arguments, "--roles")).isEqualTo("policy");
    assertThat(after(arguments, "--host"))
        .isEqualTo("troupe-my-run-policy-$(JOB_COMPLETION_INDEX).troupe-my-run");
    assertThat(after(arguments, "--output")).isEqualTo("/data/runs/My run");
    assertThat(texts(policy.at("/template/spec/initContainers/0/command")))
        .endsWith("/secret/policy-$(JOB_COMPLETION_INDEX)", "/run/troupe/node.pem");
    assertThat(documents.get(5).at("/spec/completions").asInt()).isEqualTo(3);
    for (JsonNode job : documents.subList(2, 6)) {
      JsonNode pod = job.at("/spec/template/spec");
      assertThat(pod.at("/subdomain").asText()).isEqualTo("troupe-my-run");
      assertThat(pod.at("/volumes/0/persistentVolumeClaim/claimName").asText())
          .isEqualTo("training");
      assertThat(pod.at("/containers/0/image").asText()).isEqualTo("mine/troupe:1");
      assertThat(pod.at("/containers/0/workingDir").asText()).isEqualTo("/data");
      assertThat(job.at("/spec/template/metadata/labels"))
          .isEqualTo(documents.get(1).at("/spec/selector"));
    }

    // The Secret that the pods want is made of files that are there.
    assertThat(said)
        .contains(
            "kubectl create secret generic troupe-my-run --from-file=driver=",
            "--from-file=policy-1=" + directory.resolve("run.certificates/policy-1/node.pem"),
            "kubectl apply -f " + file);
    certificates(
        "critic-0", "critic-1", "policy-0", "policy-1", "rollout-0", "rollout-1", "rollout-2");
  }

  private void certificates(String... nodes) throws IOException {
    Path keys = directory.resolve("run.certificates");
    Authority authority = Authority.read(keys.resolve("authority"));
    for (String node : nodes) {
      assertThat(Credentials.read(keys.resolve(node)).run()).isEqualTo(authority.run());
    }
    try (Stream<Path> all = Files.walk(keys)) {
      assertThat(all.filter(Files::isRegularFile))
          .hasSize(nodes.length + 1)
          .allSatisfy(
              key ->
                  assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(key)))
                      .isEqualTo("rw-------"));
    }
  }

  @Test
  void compose_isAServiceForEachNode() throws Exception {
    Path file = directory.resolve("run.yml");
    String said = launch(0, "--compose", file, with("--volume", "/disk/mine:/data"));
    assertThat(said).endsWith("docker compose -f " + file + " up" + System.lineSeparator());
    JsonNode compose = YAML.readTree(file.toFile());
    assertThat(compose.at("/name").asText()).isEqualTo("troupe-my-run");
    JsonNode services = compose.at("/services");
    assertThat(services.fieldNames())
        .toIterable()
        .containsExactly("driver", "critic-0", "critic-1", "policy-0", "policy-1");
    // Compose takes $$ for a dollar.
    assertThat(texts(services.at("/driver/command")).get(0))
        .contains("--set dashboard.host=0.0.0.0")
        .endsWith("/etc/troupe/run.conf \"$$@\"");
    JsonNode policy = services.at("/policy-1");
    List<String> command = texts(policy.at("/command"));
    assertThat(command).startsWith("node", "--join", "driver:7355", "--roles", "policy");
    assertThat(after(command, "--host")).isEqualTo("policy-1");
    assertThat(policy.at("/volumes/0"))
        .isEqualTo(YAML.readTree("{type: bind, source: /disk/mine, target: /data}"));
    assertThat(Path.of(policy.at("/volumes/1/source").asText()))
        .isEqualTo(directory.resolve("run.certificates/policy-1/node.pem"))
        .exists();
    assertThat(policy.at("/volumes/1/target").asText()).isEqualTo("/run/troupe/node.pem");
    assertThat(compose.at("/x-troupe/user").asText())
        .isEqualTo(
            Files.getAttribute(directory, "unix:uid")
                + ":"
                + Files.getAttribute(directory, "unix:gid"));
    certificates("critic-0", "critic-1", "policy-0", "policy-1");
  }

  @Test
  void onCuda_eachNodeHasADevice() throws Exception {
    Path file = directory.resolve("run.yml");
    List<String> cuda = List.of("--set", "engine.device=cuda", "--volume", "training:/data");
    List<String> more = Stream.concat(cuda.stream(), REPLICAS.stream()).toList();
    launch(0, "--compose", file, more);
    assertThat(file).content().containsPattern("(?s)policy-1:.*capabilities: \\[gpu\\]");
    Path manifest = directory.resolve("k.yaml");
    launch(0, "--kubernetes", manifest, more);
    assertThat(manifest).content().contains("resources: {limits: {nvidia.com/gpu: 1}}");
  }

  @Test
  void certificatesThatAreThere_stay() throws Exception {
    launch(0, "--compose", directory.resolve("run.yml"), with("--volume", "/disk:/data"));
    Path key = directory.resolve("run.certificates/policy-0/node.pem");
    String before = Files.readString(key);
    String again =
        launch(2, "--compose", directory.resolve("run.yml"), with("--volume", "/disk:/data"));
    assertThat(again).contains("run.yml exists already; remove it or name another file");
    Files.delete(directory.resolve("run.yml"));
    launch(
        0,
        "--compose",
        directory.resolve("run.yml"),
        with("--volume", "/disk:/data", "--rollouts", "1"));
    assertThat(Files.readString(key)).isEqualTo(before);
    assertThat(directory.resolve("run.certificates/rollout-0/node.pem")).exists();
  }

  @Test
  void whatContainersCannotHave_isTold() {
    Path file = directory.resolve("run.yaml");
    assertThat(launch(2, "--kubernetes", file, REPLICAS))
        .contains("--kubernetes needs --volume CLAIM:PATH: the claim of the volume that holds");
    assertThat(launch(2, "--kubernetes", file, with("--volume", "training")))
        .contains("--volume is 'training', expected SOURCE:PATH with an absolute path in the");
    assertThat(launch(2, "--kubernetes", file, with("--volume", "training:/other")))
        .contains(
            "model is /data/base, which containers do not have: their volume is at /other. Put it"
                + " there, or name it relative to that");
    assertThat(
            launch(
                2,
                "--kubernetes",
                file,
                with("--volume", "t:/data", "--set", "cluster.policy.node=GPU_1")))
        .contains("node role 'GPU_1' cannot be part of a container's host name; take up to 30");
    List<String> unnamed = new ArrayList<>(with("--volume", "t:/data"));
    unnamed.set(unnamed.indexOf("output=runs/My run"), "output=runs/1");
    assertThat(launch(2, "--kubernetes", file, unnamed))
        .contains("output ends in '1', which containers are to be named after; take up to 30");
    assertThat(file).doesNotExist();
    assertThat(directory.resolve("run.certificates")).doesNotExist();
  }
}
