package dev.troupe.rlhf.data;

import java.util.Locale;

/** How one record of a file is laid out. */
public enum Shape {
  /** Recognised from the first record's keys. */
  AUTO("any known shape"),
  /** Also with query, input or question for the prompt and output or answer for the completion. */
  PROMPT_COMPLETION(
      "{\"prompt\" (or query, input): text, \"completion\" (or response, output): text}"),
  /** Stanford Alpaca; also Dolly's names, context and response. */
  ALPACA(
      "{\"instruction\": text, \"input\" (or context): text (may be left out), \"output\" (or"
          + " response): text}"),
  /** Self-Instruct's seed tasks: one record per instance. */
  SELF_INSTRUCT("{\"instruction\": text, \"instances\": [{\"input\": text, \"output\": text}]}"),
  /** Chat turns; also ShareGPT's names. */
  MESSAGES(
      "{\"messages\": [{\"role\": text, \"content\": text}]} or {\"conversations\": [{\"from\": text,"
          + " \"value\": text}]}"),
  /** Messages lists without a prompt share their first turns. */
  PREFERENCE(
      "{\"prompt\": text or messages, \"chosen\": text or messages, \"rejected\": text or messages,"
          + " \"margin\": number (may be left out)}"),
  /** Anthropic's HH: two whole dialogues. */
  HH(
      "{\"chosen\": \"\\n\\nHuman: … \\n\\nAssistant: …\", \"rejected\": \"\\n\\nHuman: …"
          + " \\n\\nAssistant: …\"}"),
  /** TRL's stepwise supervision: an answer in steps, each with a label. */
  STEPWISE(
      "{\"prompt\": text or messages, \"completions\": [text], \"labels\": [true or false, or 0"
          + " to 1]}"),
  QUESTION_ANSWER("{\"question\": text, \"answer\" (or response): text}"),
  PROMPT("{\"prompt\": text or messages}, {\"question\": text} or a bare JSON string"),
  TEXT("{\"text\": text}");

  private final String layout;

  Shape(String layout) {
    this.layout = layout;
  }

  /** As a person would write it. */
  public String layout() {
    return layout;
  }

  /** As configuration files write it. */
  String key() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
