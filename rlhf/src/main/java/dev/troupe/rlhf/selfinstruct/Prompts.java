package dev.troupe.rlhf.selfinstruct;

import dev.troupe.rlhf.selfinstruct.TaskWriter.Written;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * What the writer is given to continue, and what its continuations say (the paper's appendix A).
 */
final class Prompts {
  /** Tasks that a list is to reach; what follows is another list. */
  static final int LAST_NUMBER = 16;

  static final List<String> STOP_INSTRUCTIONS =
      List.of("\n\n", "\n" + LAST_NUMBER + ".", "\n" + LAST_NUMBER + " .");

  static final List<String> STOP_VERDICT = List.of("\n");
  static final List<String> STOP_INSTANCES = List.of("\nTask:", "\n\n\n");

  private static final Pattern NUMBER = Pattern.compile("\\n\\s*\\d+\\s?\\.\\s");
  private static final Pattern EXAMPLE = Pattern.compile("(?m)^\\s*Example\\s+\\d+\\s*:?\\s*$");
  private static final Pattern OUTPUT = Pattern.compile("(?m)^\\s*Output\\s*:");
  private static final Pattern LABEL = Pattern.compile("(?m)^\\s*Class label\\s*:");
  private static final Pattern INPUT_MARK = Pattern.compile("^\\s*Input\\s*:");

  private Prompts() {}

  /** For more instructions after these. */
  static String instructions(List<Task> shown) {
    StringBuilder prompt = new StringBuilder("Come up with a series of tasks:\n");
    for (int i = 0; i < shown.size(); i++) {
      prompt.append(i + 1).append(". ").append(stem(shown.get(i))).append('\n');
    }
    return prompt.append(shown.size() + 1).append('.').toString();
  }

  /** Those of a continuation, tidy, none empty; the last is not among them where it was cut off. */
  static List<String> instructions(Written written) {
    List<String> found = new ArrayList<>(List.of(NUMBER.split("\n0. " + written.text())));
    if (written.cut()) {
      found.remove(found.size() - 1);
    }
    return found.stream().map(Instructions::tidy).filter(one -> !one.isEmpty()).toList();
  }

  /** Whether an instruction's outputs are a few labels, after tasks of which that is known. */
  static String verdict(List<Task> shown, String instruction) {
    StringBuilder prompt =
        new StringBuilder(
            "Can the following task be regarded as a classification task with a finite set of output"
                + " labels?\n\n");
    for (Task task : shown) {
      prompt
          .append("Task: ")
          .append(stem(task))
          .append("\nIs it classification? ")
          .append(task.isClassification() ? "Yes" : "No")
          .append("\n\n");
    }
    return prompt.append("Task: ").append(instruction).append("\nIs it classification?").toString();
  }

  /** What a continuation says; nothing where it says neither. */
  static Optional<Boolean> verdict(Written written) {
    String first = written.text().strip().toLowerCase(Locale.ROOT);
    return first.startsWith("yes")
        ? Optional.of(true)
        : first.startsWith("no") ? Optional.of(false) : Optional.empty();
  }

  /**
   * For examples of a task: of a classification with the label first, so that no label is left out,
   * else with the input first.
   */
  static String instances(List<Task> shown, String instruction, boolean isClassification) {
    StringBuilder prompt =
        new StringBuilder(
            isClassification
                ? "Given a classification task and its labels, write an input for each label. If the"
                    + " task needs no input, write the label alone.\n\n"
                : "Write examples of the following tasks, several where possible. If a task needs no"
                    + " input, write its output alone.\n\n");
    for (Task task : shown) {
      prompt.append("Task: ").append(stem(task)).append('\n');
      for (int i = 0; i < task.instances().size(); i++) {
        Instance one = task.instances().get(i);
        if (isClassification) {
          prompt.append("Class label: ").append(one.output()).append('\n').append(one.input());
        } else {
          prompt.append("Example ").append(i + 1).append('\n');
          prompt.append(one.input().isEmpty() ? "" : one.input() + "\n");
          prompt.append("Output: ").append(one.output());
        }
        prompt.append('\n');
      }
      prompt.append('\n');
    }
    return prompt
        .append("Task: ")
        .append(instruction)
        .append(isClassification ? "\nClass label:" : "\nExample 1\n")
        .toString();
  }

  /** Those of a continuation; the last is not among them where it was cut off. */
  static List<Instance> instances(Written written, boolean isClassification) {
    List<Instance> found =
        new ArrayList<>(
            isClassification
                ? labelled(LABEL.split(written.text()))
                : answered(EXAMPLE.split(written.text())));
    if (written.cut() && !found.isEmpty()) {
      found.remove(found.size() - 1);
    }
    return found;
  }

  private static List<Instance> labelled(String[] parts) {
    return Stream.of(parts)
        .map(String::strip)
        .filter(part -> !part.isEmpty())
        .map(
            part -> {
              int line = part.indexOf('\n');
              return line < 0
                  ? new Instance("", part)
                  : new Instance(part.substring(line).strip(), part.substring(0, line).strip());
            })
        .toList();
  }

  private static List<Instance> answered(String[] parts) {
    List<Instance> found = new ArrayList<>();
    for (String part : parts) {
      Matcher output = OUTPUT.matcher(part);
      if (output.find()) {
        String input = INPUT_MARK.matcher(part.substring(0, output.start())).replaceFirst("");
        found.add(new Instance(input.strip(), part.substring(output.end()).strip()));
      } else if (!part.isBlank()) {
        found.add(new Instance("", ""));
      }
    }
    return found;
  }

  private static String stem(Task task) {
    String text = Instructions.tidy(task.instruction());
    return text.endsWith(":") ? text.substring(0, text.length() - 1) : text;
  }
}
