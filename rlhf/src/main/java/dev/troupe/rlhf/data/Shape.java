package dev.troupe.rlhf.data;

/** How one record of a file is laid out. */
public enum Shape {
  /** Recognised from the first record's keys. */
  AUTO("any known shape"),
  PROMPT_COMPLETION("{\"prompt\": text, \"completion\" or \"response\": text}"),
  /** Stanford Alpaca. */
  ALPACA("{\"instruction\": text, \"input\": text (may be left out), \"output\": text}"),
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
  QUESTION_ANSWER("{\"question\": text, \"answer\": text}"),
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
}
