package dev.troupe.actors.pipeline;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.DurableFiles;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.rlhf.data.DataConfig;
import dev.troupe.rlhf.data.DataException;
import dev.troupe.rlhf.data.SourceConfig;
import dev.troupe.rlhf.data.SourceFiles;
import dev.troupe.rlhf.stage.ConfiguredStage;
import dev.troupe.rlhf.stage.Source;
import dev.troupe.rlhf.stage.Stage;
import dev.troupe.rlhf.stage.Stages;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * What makes a run the same run: every key of its configuration that its result depends on (of the
 * stages' sections those that it has), and its input files. A run goes on only as the one that was
 * started, as far as anything of it was trained.
 *
 * @param keys by name, as JSON
 * @param inputs by the key that names them and their path: length and SHA-256 (of the first 64 MiB
 *     of larger files)
 */
record RunIdentity(Map<String, String> keys, Map<String, String> inputs) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String STAGES = "stages";
  private static final long HASHED_BYTES = 64L << 20;

  /** Where a run is, how it is watched and what it keeps make no difference to its result. */
  private static final List<String> FREE =
      List.of("output", "dashboard", "cluster", "checkpoints", "limits");

  static RunIdentity of(PipelineConfig config) {
    Map<String, String> keys = new TreeMap<>();
    if (JSON.valueToTree(PlainJson.of(config)) instanceof ObjectNode tree) {
      FREE.forEach(tree::remove);
      tree.remove("sections");
      tree.set(STAGES, JSON.valueToTree(config.stages().stream().map(Stage::name).toList()));
      for (ConfiguredStage<?> stage : config.run()) {
        tree.set(stage.name(), JSON.valueToTree(PlainJson.of(stage.config())));
      }
      flatten("", tree, keys);
    }
    Map<String, String> inputs = new TreeMap<>();
    try {
      if (config.model().isPresent()) {
        model(Path.of(config.model().get()), inputs);
      }
      for (Path start : StartPoints.inputs(config)) {
        model(start, inputs);
      }
      for (ConfiguredStage<?> stage : config.run()) {
        for (Map.Entry<String, String> file : stage.files().entrySet()) {
          input(file.getKey(), Path.of(file.getValue()), inputs);
        }
      }
      if (config.data().chatTemplate().isPresent()) {
        input("data.chat-template", Path.of(config.data().chatTemplate().get()), inputs);
      }
      if (config.quickstart().isEmpty()) {
        for (Source source : Source.values()) {
          for (SourceConfig file : files(config.data(), source)) {
            records(source.key(), file.path(), inputs);
          }
        }
      }
    } catch (IOException e) {
      throw new PipelineException("cannot read the run's inputs: " + e, e);
    }
    return new RunIdentity(keys, inputs);
  }

  private static List<SourceConfig> files(DataConfig data, Source source) {
    return switch (source) {
      case TEXTS -> data.sft();
      case PREFERENCES -> data.preferences();
      case JUDGED -> data.judged();
      case PROMPTS -> data.prompts();
      case PRETRAINING -> data.pretraining();
    };
  }

  private static void flatten(String prefix, JsonNode node, Map<String, String> keys) {
    for (Map.Entry<String, JsonNode> entry : node.properties()) {
      String key = prefix + kebab(entry.getKey());
      if (entry.getValue().isObject()) {
        flatten(key + ".", entry.getValue(), keys);
      } else {
        keys.put(key, entry.getValue().toString());
      }
    }
  }

  /** The configuration files' spelling of a record component. */
  private static String kebab(String component) {
    return component.replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
  }

  private static void model(Path model, Map<String, String> inputs) throws IOException {
    if (Files.isDirectory(model)) {
      try (Stream<Path> files = Files.list(model)) {
        for (Path file : (Iterable<Path>) files.filter(Files::isRegularFile)::iterator) {
          input("model", file, inputs);
        }
      }
    } else {
      input("model", model, inputs);
    }
  }

  /** What names no files is told by who reads it. */
  private static void records(String key, String path, Map<String, String> inputs)
      throws IOException {
    List<Path> files;
    try {
      files = SourceFiles.of(path).files();
    } catch (DataException e) {
      return;
    }
    for (Path file : files) {
      input(key, file, inputs);
    }
  }

  /** A file that is not there is told by who reads it. */
  private static void input(String key, Path file, Map<String, String> inputs) throws IOException {
    if (Files.isRegularFile(file)) {
      Digests.File digest = Digests.of(file, HASHED_BYTES);
      inputs.put(key + " " + file, digest.bytes() + " bytes, SHA-256 " + digest.sha256());
    }
  }

  void write(Path file) throws IOException {
    DurableFiles.write(file, JSON.writerWithDefaultPrettyPrinter().writeValueAsString(this) + "\n");
  }

  static RunIdentity read(Path file) throws IOException {
    try {
      return JSON.readValue(Files.readString(file), RunIdentity.class);
    } catch (JsonProcessingException e) {
      throw new PipelineException(
          file + " cannot be read " + JsonFile.fault(e) + "; start a new run", e);
    }
  }

  /**
   * What differs in {@code now} and was depended on by what is done or begun, a line each; empty
   * when the run can go on.
   *
   * @param order the stages that are to run now
   */
  List<String> differences(RunIdentity now, RunState state, List<Stage<?>> order) {
    List<String> lines = new ArrayList<>();
    List<Stage<?>> touched = state.touched(Stages.all());
    Set<Stage<?>> first = Set.copyOf(order.subList(0, Math.min(order.size(), touched.size())));
    if (!first.equals(Set.copyOf(touched))) {
      lines.add(
          "stages was "
              + keys.getOrDefault(STAGES, "not set")
              + ", is "
              + now.keys.getOrDefault(STAGES, "not set")
              + " ("
              + state.progress()
              + ": these must come first)");
    }
    for (String key : union(keys, now.keys)) {
      String then = keys.getOrDefault(key, "not set");
      String other = now.keys.getOrDefault(key, "not set");
      if (!then.equals(other) && !key.equals(STAGES)) {
        touched.stream()
            .filter(stage -> StageDemands.dependsOn(stage, key))
            .findFirst()
            .ifPresent(
                stage -> lines.add(key + " was " + then + ", is " + other + why(stage, state)));
      }
    }
    // A file that was not there has been mended since: nothing was learned from it.
    for (Map.Entry<String, String> input : inputs.entrySet()) {
      String other = now.inputs.getOrDefault(input.getKey(), "not there");
      if (!input.getValue().equals(other)) {
        String[] kindAndPath = input.getKey().split(" ", 2);
        touched.stream()
            .filter(stage -> StageDemands.dependsOn(stage, kindAndPath[0]))
            .findFirst()
            .ifPresent(
                stage ->
                    lines.add(
                        "the input "
                            + kindAndPath[kindAndPath.length - 1]
                            + " was "
                            + input.getValue()
                            + ", is "
                            + other
                            + why(stage, state)));
      }
    }
    return lines;
  }

  private static String why(Stage<?> stage, RunState state) {
    return " (stage "
        + stage.name()
        + (state.isDone(stage)
            ? ", which is done, depends on it)"
            : ", which has begun, depends on it; remove "
                + state.path().resolve(RunCheckpoints.DIRECTORY).resolve(stage.name())
                + " to have it begin anew)");
  }

  private static TreeSet<String> union(Map<String, String> one, Map<String, String> other) {
    TreeSet<String> all = new TreeSet<>(one.keySet());
    all.addAll(other.keySet());
    return all;
  }
}
