package dev.troupe.launcher;

import dev.troupe.rlhf.selfinstruct.SelfInstruct;
import dev.troupe.rlhf.selfinstruct.Task;
import dev.troupe.rlhf.selfinstruct.TaskWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code troupe data self-instruct}: tasks that a model writes after a few of people's. */
@Command(
    name = "self-instruct",
    mixinStandardHelpOptions = true,
    description =
        "Has a model write tasks with examples after some that people wrote (self-instruct, Wang et"
            + " al. 2023), and keeps what is new and well formed.",
    footer = {
      "",
      "In the output directory: tasks.jsonl (instruction, instances, is_classification),",
      "alpaca.jsonl (instruction, input, output: train on it as it is) and counts.json",
      "(what was left out, and why). Started again with the same options, it goes on",
      "where it was."
    })
final class SelfInstructCommand implements Callable<Integer> {
  /** Rounds in a row that may bring nothing. */
  private static final int FRUITLESS = 20;

  @Spec private CommandSpec spec;
  @ParentCommand private DataCommand data;
  @Mixin private EngineOptions numbers;

  @ArgGroup(multiplicity = "1")
  private Who who = new Who();

  static final class Who {
    @Option(
        names = "--model",
        paramLabel = "MODEL",
        description = "that writes: directory of a checkpoint (docs/families.md), or a .gguf file")
    private @Nullable Path model;

    @Option(
        names = "--endpoint",
        paramLabel = "URL",
        description =
            "an OpenAI-compatible service that writes, such as http://localhost:8000/v1; with"
                + " --endpoint-model")
    private @Nullable URI endpoint;
  }

  @Option(
      names = "--endpoint-model",
      paramLabel = "NAME",
      description = "the service's name of the model")
  private @Nullable String endpointModel;

  @Option(
      names = "--token-variable",
      paramLabel = "NAME",
      description = "variable of the environment with the service's token")
  private @Nullable String tokenVariable;

  @Option(names = "--adapter", paramLabel = "DIR", description = "PEFT adapter to put on the model")
  private @Nullable Path adapter;

  @Option(
      names = "--chat",
      description = "the model was trained on dialogues: it is asked in a user's turn")
  private boolean chat;

  @Option(
      names = "--seeds",
      paramLabel = "FILE",
      required = true,
      description =
          "tasks that people wrote, JSONL: {\"instruction\": ..., \"instances\": [{\"input\": ...,"
              + " \"output\": ...}], \"is_classification\": true or false}")
  private Path seeds = Path.of("");

  @Option(
      names = "--tasks",
      paramLabel = "N",
      required = true,
      description = "how many to have written")
  private int tasks;

  @Option(names = "--output", paramLabel = "DIR", required = true, description = "for the files")
  private Path output = Path.of("");

  @Option(
      names = "--temperature",
      paramLabel = "T",
      defaultValue = "0.7",
      description = "of sampling (default: ${DEFAULT-VALUE})")
  private double temperature;

  @Option(
      names = "--top-p",
      paramLabel = "P",
      defaultValue = "0.5",
      description = "of sampling (default: ${DEFAULT-VALUE})")
  private double topP;

  @Option(
      names = "--similar",
      paramLabel = "F",
      defaultValue = "0.7",
      description =
          "ROUGE-L from which an instruction is too much like one that is there (default:"
              + " ${DEFAULT-VALUE})")
  private double similar;

  @Option(
      names = "--seed",
      paramLabel = "S",
      defaultValue = "0",
      description = "of the random numbers (default: ${DEFAULT-VALUE})")
  private long seed;

  @Override
  public Integer call() throws IOException {
    check("--tasks", tasks, tasks >= 1, "at least 1");
    check("--similar", similar, similar > 0 && similar <= 1, "above 0, at most 1");
    check("--temperature", temperature, temperature >= 0, "at least 0");
    check("--top-p", topP, topP > 0 && topP <= 1, "above 0, at most 1");
    List<Task> given = Task.read(seeds);
    for (boolean kind : new boolean[] {true, false}) {
      if (given.stream().noneMatch(task -> task.isClassification() == kind)) {
        throw new UserException(
            seeds
                + ": has "
                + given.size()
                + " tasks and none with is_classification "
                + kind
                + "; both kinds are needed, to tell them apart");
      }
    }
    TaskFiles files = TaskFiles.open(output, settings());
    PrintWriter err = spec.commandLine().getErr();
    if (who.endpoint != null) {
      if (endpointModel == null) {
        throw new UserException("--endpoint wants --endpoint-model, the service's name of a model");
      }
      write(
          new EndpointWriter(who.endpoint, endpointModel, token(), chat, temperature, topP),
          given,
          files,
          err);
      return ExitCode.OK;
    }
    Path model = Objects.requireNonNull(who.model);
    try (OneModel opened =
        data.models().open(model, Optional.ofNullable(adapter), 1, numbers.engine())) {
      if (chat && !opened.hasChatTemplate()) {
        throw new UserException(
            "--chat: the model has no chat template (chat_template of tokenizer_config.json)");
      }
      write(new ModelWriter(opened, chat, temperature, topP), given, files, err);
    }
    return ExitCode.OK;
  }

  private void write(TaskWriter writer, List<Task> given, TaskFiles files, PrintWriter err)
      throws IOException {
    SelfInstruct instruct =
        new SelfInstruct(writer, given, files.tasks(), SelfInstruct.Settings.papers(seed, similar));
    if (!files.tasks().isEmpty()) {
      err.println("going on after " + files.tasks().size() + " tasks, " + files.state());
    }
    int fruitless = 0;
    while (files.tasks().size() < tasks) {
      SelfInstruct.Round round = instruct.round(files.rounds());
      files.add(round);
      err.println(files.tasks().size() + "/" + tasks + " tasks, " + files.state());
      err.flush();
      fruitless = round.kept().isEmpty() ? fruitless + 1 : 0;
      if (fruitless == FRUITLESS) {
        throw new UserException(
            FRUITLESS
                + " rounds in a row brought no task that could be kept ("
                + files.state()
                + "); the model may be too small for this, or trained on dialogues (--chat)."
                + " What was written is in "
                + output);
      }
    }
    PrintWriter out = spec.commandLine().getOut();
    out.println(
        files.tasks().size() + " tasks with " + files.examples() + " examples in " + output);
    files
        .counts()
        .forEach((drop, count) -> out.println("  left out " + count + " × " + drop.meaning()));
    out.flush();
  }

  /** What must not change between a start and the next. */
  private List<String> settings() throws IOException {
    List<String> settings = new ArrayList<>();
    settings.add(
        "writer " + (who.endpoint == null ? who.model : who.endpoint + " " + endpointModel));
    settings.add("adapter " + adapter);
    settings.add("chat " + chat);
    settings.add("seeds " + Integer.toHexString(Files.readString(seeds).hashCode()));
    settings.add("temperature " + temperature + ", top-p " + topP);
    settings.add("similar " + similar);
    settings.add("seed " + seed);
    return settings;
  }

  private Optional<String> token() {
    if (tokenVariable == null) {
      return Optional.empty();
    }
    String token = System.getenv(tokenVariable);
    if (token == null || token.isBlank()) {
      throw new UserException(
          "--token-variable is "
              + tokenVariable
              + ", and the environment has no such variable; set it, or leave the option out");
    }
    return Optional.of(token.strip());
  }

  private static void check(String option, Object value, boolean holds, String allowed) {
    if (!holds) {
      throw new UserException(option + " is " + value + ", allowed: " + allowed);
    }
  }
}
