package dev.troupe.launcher;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.TokenIds;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code troupe generate}: one answer. */
@Command(
    name = "generate",
    mixinStandardHelpOptions = true,
    description = "Answers one prompt.",
    footer = {
      "",
      "With --json, one line:",
      "  {\"prompt_tokens\": [ids], \"tokens\": [ids], \"text\": \"...\", \"logprobs\": [numbers]}",
      "logprobs are those of the sampled tokens over the whole vocabulary at the sampling",
      "temperature (1 for greedy decoding); --top-k and --top-p restrict the choice alone."
    })
final class GenerateCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @ParentCommand private Troupe troupe;
  @Mixin private ModelOptions model;
  @Mixin private SamplingOptions sampling;
  @Mixin private EngineOptions numbers;

  @Option(names = "--prompt", paramLabel = "TEXT", required = true, description = "to answer")
  private String prompt;

  @Option(names = "--chat", description = "take the prompt as a user's turn of the chat template")
  private boolean chat;

  @Option(
      names = "--special-tokens",
      description = "special tokens spelled out in the prompt are meant, not text")
  private boolean specialTokens;

  @Option(names = "--json", description = "one JSON object instead of text")
  private boolean json;

  @Override
  public Integer call() throws JsonProcessingException {
    SamplingSettings settings = sampling.settings();
    PrintWriter out = spec.commandLine().getOut();
    try (OneModel opened =
        model.open(troupe.models(), sampling.temperatureOfLogprobs(), numbers.engine())) {
      if (chat && !opened.hasChatTemplate()) {
        throw new UserException("--chat: the model's tokenizer_config.json has no chat_template");
      }
      if (chat && specialTokens) {
        throw new UserException(
            "--special-tokens: with --chat the template sets the special tokens, and a user's turn"
                + " cannot; leave one of the two out");
      }
      TokenIds tokens =
          chat
              ? opened.encode(List.of(new ChatMessage("user", prompt)))
              : specialTokens ? opened.encodeMarked(prompt) : opened.encode(prompt);
      ContextLimit.check("the prompt", tokens.size(), opened.contextLength());
      Rollout rollout =
          opened.generate(
              tokens,
              settings,
              text -> {
                if (!json) {
                  out.print(text);
                  out.flush();
                }
              });
      if (json) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("prompt_tokens", tokens.values());
        answer.put("tokens", rollout.response().values());
        answer.put("text", rollout.text());
        answer.put("logprobs", rollout.logprobs().values());
        out.println(OutputJson.mapper().writeValueAsString(answer));
      } else {
        out.println();
      }
      out.flush();
    }
    return ExitCode.OK;
  }
}
