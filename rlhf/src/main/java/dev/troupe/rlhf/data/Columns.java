package dev.troupe.rlhf.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.rlhf.limits.Limits;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Which of a file's fields is which, where they have other names than docs/data.md knows.
 *
 * @param prompt field with the prompt, text or turns
 * @param completion field with the answer to imitate
 * @param instruction field with the instruction (Alpaca)
 * @param input field with what the instruction is about (Alpaca)
 * @param messages field with the turns
 * @param chosen field with the better answer
 * @param rejected field with the worse answer
 * @param margin field with the number by which chosen should win
 * @param text field with text without parts
 * @param system field with the system's turn
 * @param tools field with the tools that the chat template is given
 * @param label field that says whether the answer is one to imitate (KTO)
 * @param score field with the answer's score
 * @param answer field with what is right, for rewards that compare with it
 */
public record Columns(
    Optional<String> prompt,
    Optional<String> completion,
    Optional<String> instruction,
    Optional<String> input,
    Optional<String> messages,
    Optional<String> chosen,
    Optional<String> rejected,
    Optional<String> margin,
    Optional<String> text,
    Optional<String> system,
    Optional<String> tools,
    Optional<String> label,
    Optional<String> score,
    Optional<String> answer) {
  /** Names as they are. */
  public static final Columns NONE = of(Map.of());

  public Columns {
    Limits limits = new Limits();
    Map<String, String> seen = new LinkedHashMap<>();
    names(
            prompt,
            completion,
            instruction,
            input,
            messages,
            chosen,
            rejected,
            margin,
            text,
            system,
            tools,
            label,
            score,
            answer)
        .forEach(
            (ours, theirs) -> {
              limits.condition(ours, "empty", !theirs.isBlank(), "the name of a field of the file");
              String before = seen.put(theirs, ours);
              limits.condition(
                  ours, theirs, before == null, "a field that " + before + " is not already");
            });
    limits.verify();
  }

  /** By our names. */
  static Columns of(Map<String, String> names) {
    return new Columns(
        Optional.ofNullable(names.get("prompt")),
        Optional.ofNullable(names.get("completion")),
        Optional.ofNullable(names.get("instruction")),
        Optional.ofNullable(names.get("input")),
        Optional.ofNullable(names.get("messages")),
        Optional.ofNullable(names.get("chosen")),
        Optional.ofNullable(names.get("rejected")),
        Optional.ofNullable(names.get("margin")),
        Optional.ofNullable(names.get("text")),
        Optional.ofNullable(names.get("system")),
        Optional.ofNullable(names.get("tools")),
        Optional.ofNullable(names.get("label")),
        Optional.ofNullable(names.get("score")),
        Optional.ofNullable(names.get("answer")));
  }

  private static Map<String, String> names(
      Optional<String> prompt,
      Optional<String> completion,
      Optional<String> instruction,
      Optional<String> input,
      Optional<String> messages,
      Optional<String> chosen,
      Optional<String> rejected,
      Optional<String> margin,
      Optional<String> text,
      Optional<String> system,
      Optional<String> tools,
      Optional<String> label,
      Optional<String> score,
      Optional<String> answer) {
    Map<String, String> names = new LinkedHashMap<>();
    prompt.ifPresent(name -> names.put("prompt", name));
    completion.ifPresent(name -> names.put("completion", name));
    instruction.ifPresent(name -> names.put("instruction", name));
    input.ifPresent(name -> names.put("input", name));
    messages.ifPresent(name -> names.put("messages", name));
    chosen.ifPresent(name -> names.put("chosen", name));
    rejected.ifPresent(name -> names.put("rejected", name));
    margin.ifPresent(name -> names.put("margin", name));
    text.ifPresent(name -> names.put("text", name));
    system.ifPresent(name -> names.put("system", name));
    tools.ifPresent(name -> names.put("tools", name));
    label.ifPresent(name -> names.put("label", name));
    score.ifPresent(name -> names.put("score", name));
    answer.ifPresent(name -> names.put("answer", name));
    return names;
  }

  private Map<String, String> names() {
    return names(
        prompt,
        completion,
        instruction,
        input,
        messages,
        chosen,
        rejected,
        margin,
        text,
        system,
        tools,
        label,
        score,
        answer);
  }

  /** What the file calls a field of ours. */
  String inFile(String ours) {
    return names().getOrDefault(ours, ours);
  }

  /**
   * A record by our names.
   *
   * @throws DataException when it lacks a field that is named, or has two for one name
   */
  JsonNode renamed(JsonNode node, Origin origin) {
    Map<String, String> names = names();
    if (names.isEmpty() || !(node instanceof ObjectNode object)) {
      return node;
    }
    ObjectNode rest = object.deepCopy();
    rest.remove(names.values());
    names.forEach(
        (ours, theirs) -> {
          JsonNode value = object.get(theirs);
          if (value == null) {
            throw DataException.at(
                origin,
                "columns." + ours + " names \"" + theirs + "\", but " + Fields.found(object));
          }
          if (rest.hasNonNull(ours)) {
            throw DataException.at(
                origin,
                "columns."
                    + ours
                    + " names \""
                    + theirs
                    + "\", but there is a \""
                    + ours
                    + "\" too; name that in the source's ignore");
          }
          rest.set(ours, value);
        });
    return rest;
  }
}
