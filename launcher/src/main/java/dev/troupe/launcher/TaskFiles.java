package dev.troupe.launcher;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.troupe.rlhf.selfinstruct.Drop;
import dev.troupe.rlhf.selfinstruct.Instance;
import dev.troupe.rlhf.selfinstruct.SelfInstruct;
import dev.troupe.rlhf.selfinstruct.Task;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What self-instruct leaves and goes on from. Each file is written whole beside itself and then put
 * in its place; counts.json comes last and says how many tasks are of whole rounds.
 */
final class TaskFiles {
  private static final JsonMapper JSON = new JsonMapper();
  private static final String TASKS = "tasks.jsonl";
  private static final String COUNTS = "counts.json";

  /** What counts.json holds. */
  record Counts(
      List<String> settings,
      int rounds,
      int tasks,
      @JsonProperty("left_out") Map<Drop, Integer> leftOut) {}

  private final Path directory;
  private final List<String> settings;
  private final List<Task> tasks;
  private final Map<Drop, Integer> leftOut = new EnumMap<>(Drop.class);
  private int rounds;

  private TaskFiles(Path directory, List<String> settings, List<Task> tasks) {
    this.directory = directory;
    this.settings = settings;
    this.tasks = tasks;
  }

  /**
   * A new directory, or one to go on in.
   *
   * @throws UserException when it was begun with other settings, or holds something else
   */
  static TaskFiles open(Path directory, List<String> settings) throws IOException {
    Path counts = directory.resolve(COUNTS);
    if (!Files.exists(counts)) {
      if (Files.exists(directory.resolve(TASKS))) {
        throw new UserException(
            directory.resolve(TASKS)
                + " is there and "
                + COUNTS
                + " is not, so this is not what self-instruct left; name another --output");
      }
      Files.createDirectories(directory);
      return new TaskFiles(directory, settings, new ArrayList<>());
    }
    Counts before = JSON.readValue(counts.toFile(), Counts.class);
    if (!before.settings().equals(settings)) {
      List<String> other = new ArrayList<>(before.settings());
      other.removeAll(settings);
      List<String> now = new ArrayList<>(settings);
      now.removeAll(before.settings());
      throw new UserException(
          directory
              + " was begun with other settings: "
              + String.join("; ", other)
              + ", and now "
              + String.join("; ", now)
              + "; name another --output, or start as before");
    }
    List<Task> tasks = new ArrayList<>(Task.read(directory.resolve(TASKS)));
    if (tasks.size() < before.tasks()) {
      throw new UserException(
          directory.resolve(TASKS)
              + " has "
              + tasks.size()
              + " tasks, "
              + COUNTS
              + " speaks of "
              + before.tasks()
              + "; name another --output");
    }
    // Of a round that was interrupted between the files.
    TaskFiles files =
        new TaskFiles(directory, settings, new ArrayList<>(tasks.subList(0, before.tasks())));
    files.rounds = before.rounds();
    files.leftOut.putAll(before.leftOut());
    return files;
  }

  List<Task> tasks() {
    return Collections.unmodifiableList(tasks);
  }

  int rounds() {
    return rounds;
  }

  int examples() {
    return tasks.stream().mapToInt(task -> task.instances().size()).sum();
  }

  Map<Drop, Integer> counts() {
    return leftOut;
  }

  /** For a line of progress. */
  String state() {
    int out = leftOut.values().stream().mapToInt(Integer::intValue).sum();
    return "rounds: " + rounds + ", examples: " + examples() + ", left out: " + out;
  }

  /** Writes what a round brought. */
  void add(SelfInstruct.Round round) throws IOException {
    tasks.addAll(round.kept());
    rounds++;
    round.dropped().counts().forEach((drop, count) -> leftOut.merge(drop, count, Integer::sum));
    List<String> lines = new ArrayList<>();
    List<String> alpaca = new ArrayList<>();
    for (Task task : tasks) {
      lines.add(JSON.writeValueAsString(task));
      for (Instance one : task.instances()) {
        Map<String, String> record = new LinkedHashMap<>();
        record.put("instruction", task.instruction());
        record.put("input", one.input());
        record.put("output", one.output());
        alpaca.add(JSON.writeValueAsString(record));
      }
    }
    put("alpaca.jsonl", String.join("\n", alpaca) + "\n");
    put(TASKS, String.join("\n", lines) + "\n");
    put(
        COUNTS,
        JSON.writerWithDefaultPrettyPrinter()
                .writeValueAsString(new Counts(settings, rounds, tasks.size(), leftOut))
            + "\n");
  }

  private void put(String name, String text) throws IOException {
    Path beside = directory.resolve(name + ".new");
    Files.writeString(beside, text);
    Files.move(
        beside,
        directory.resolve(name),
        StandardCopyOption.REPLACE_EXISTING,
        StandardCopyOption.ATOMIC_MOVE);
  }
}
