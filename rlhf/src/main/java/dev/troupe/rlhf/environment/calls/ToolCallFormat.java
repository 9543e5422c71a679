package dev.troupe.rlhf.environment.calls;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** How a family of models writes its tool calls, and a parser for it. */
public enum ToolCallFormat {
  /** {@code <tool_call>{"name": …, "arguments": {…}}</tool_call>}: Hermes, Qwen 2.5 and 3. */
  HERMES,
  /**
   * {@code <tool_call><function=…><parameter=…>…}: Qwen3-Coder, Qwen 3.5, Nemotron 3. Values are
   * text, typed by the tool's schema.
   */
  QWEN_CODER,
  /** The whole turn is {@code {"name": …, "parameters": {…}}}: Llama 3.1 to 3.3. */
  LLAMA,
  /** {@code [TOOL_CALLS]} and an array, or a name and its arguments: Mistral, old and new. */
  MISTRAL,
  /** {@code <tool_call>name<arg_key>…<arg_value>…}: GLM 4.5 and later, typed by the schema. */
  GLM,
  /** Harmony's messages with a recipient: gpt-oss. */
  GPT_OSS,
  /** {@code <｜tool▁calls▁begin｜>}: DeepSeek V3, R1 and V3.1. */
  DEEPSEEK,
  /** {@code <｜DSML｜function_calls>}: DeepSeek V3.2. */
  DEEPSEEK_DSML,
  /** {@code <|tool_call>call:name{key:value}<tool_call|>}: Gemma 4. */
  GEMMA,
  /** {@code <|tool_call_start|>[name(key='value')]<|tool_call_end|>}: LFM2 and 2.5. */
  LFM;

  private Marks thinking() {
    return switch (this) {
      case GPT_OSS -> Marks.NONE;
      case MISTRAL -> new Marks("[THINK]", "[/THINK]");
      case GEMMA -> new Marks("<|channel>thought\n", "<channel|>");
      default -> Marks.THINK;
    };
  }

  /** Tokens at which a turn ends, which are no text. */
  private List<String> ends() {
    return switch (this) {
      case HERMES, QWEN_CODER, LFM -> List.of("<|im_end|>", "<|endoftext|>");
      case LLAMA -> List.of("<|eot_id|>", "<|eom_id|>", "<|end_of_text|>");
      case MISTRAL -> List.of("</s>");
      case GLM -> List.of("<|observation|>", "<|user|>", "<|endoftext|>");
      case GPT_OSS -> List.of("<|call|>", "<|return|>", "<|end|>");
      case DEEPSEEK, DEEPSEEK_DSML -> List.of("<｜end▁of▁sentence｜>");
      case GEMMA -> List.of("<turn|>", "<|tool_response>", "<eos>");
    };
  }

  private void read(Scan scan, ParameterTypes types) {
    switch (this) {
      case HERMES -> TaggedCalls.hermes(scan, types);
      case QWEN_CODER -> TaggedCalls.qwenCoder(scan, types);
      case LLAMA -> LlamaCalls.read(scan);
      case MISTRAL -> MistralCalls.read(scan);
      case GLM -> TaggedCalls.glm(scan, types);
      case GPT_OSS -> HarmonyCalls.read(scan);
      case DEEPSEEK -> DeepSeekCalls.read(scan);
      case DEEPSEEK_DSML -> DeepSeekCalls.readDsml(scan);
      case GEMMA -> GemmaCalls.read(scan);
      case LFM -> LfmCalls.read(scan);
    }
  }

  /**
   * By the marks that a chat template writes around calls.
   *
   * @return empty for a template that writes none that is known here
   */
  public static Optional<ToolCallFormat> of(String chatTemplate) {
    // The first that fits: several families share the tag of the first.
    return Optional.ofNullable(
        has(chatTemplate, LfmCalls.OPEN)
            ? LFM
            : has(chatTemplate, "<|tool_call>", "call:")
                ? GEMMA
                : has(chatTemplate, "｜DSML｜")
                    ? DEEPSEEK_DSML
                    : has(chatTemplate, "<｜tool▁call▁begin｜>")
                        ? DEEPSEEK
                        : has(chatTemplate, "<|channel|>commentary", "functions.")
                            ? GPT_OSS
                            : has(chatTemplate, "[TOOL_CALLS]")
                                ? MISTRAL
                                : has(chatTemplate, "<tool_call>")
                                    ? tagged(chatTemplate)
                                    : has(chatTemplate, "ipython", "\"parameters\"")
                                        ? LLAMA
                                        : null);
  }

  private static ToolCallFormat tagged(String chatTemplate) {
    return has(chatTemplate, "<arg_key>")
        ? GLM
        : has(chatTemplate, "<function=") ? QWEN_CODER : HERMES;
  }

  private static boolean has(String template, String... marks) {
    for (String mark : marks) {
      if (!template.contains(mark)) {
        return false;
      }
    }
    return true;
  }

  /** Whether a rendered prompt ends in the middle of a thought, for the model to go on with. */
  public boolean thinksAtOnce(String prompt) {
    String open = thinking().open();
    return !open.isEmpty() && prompt.stripTrailing().endsWith(open.stripTrailing());
  }

  /**
   * Takes a turn apart.
   *
   * @param said what was sampled, special tokens spelled out
   * @param thinking whether the prompt ended in the middle of a thought ({@link #thinksAtOnce})
   * @param tools that were offered, as {@link dev.troupe.rlhf.port.EnvironmentFactory#tools}: types
   *     of arguments written as text; where there are none, nothing is a call
   */
  public Reply parse(
      String said,
      boolean thinking,
      List<? extends Map<String, ? extends @Nullable Object>> tools) {
    Scan scan = new Scan(withoutEnds(said), thinking());
    if (thinking) {
      scan.thought();
    }
    if (tools.isEmpty() && this != GPT_OSS) {
      scan.words();
    } else {
      read(scan, ParameterTypes.of(tools));
    }
    return scan.reply();
  }

  /**
   * What was said to people and rewards: the thought between its marks, and the text.
   *
   * @param thinking whether the prompt ended in the middle of a thought, so that its first mark was
   *     not sampled
   */
  public String said(Reply reply, boolean thinking) {
    Marks marks = thinking();
    if (reply.thinking().isEmpty() || marks.open().isEmpty()) {
      return reply.text();
    }
    boolean closed = !reply.text().isEmpty() || !reply.calls().isEmpty();
    return (thinking ? "" : marks.open())
        + reply.thinking()
        + (closed ? marks.close() : "")
        + reply.text();
  }

  private String withoutEnds(String said) {
    String text = said.stripTrailing();
    Optional<String> end = ending(text);
    while (end.isPresent()) {
      text = text.substring(0, text.length() - end.get().length()).stripTrailing();
      end = ending(text);
    }
    return text;
  }

  private Optional<String> ending(String text) {
    return ends().stream().filter(text::endsWith).findFirst();
  }
}
