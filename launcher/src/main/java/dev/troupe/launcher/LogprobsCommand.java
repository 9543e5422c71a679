package dev.troupe.launcher;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.models.tokenizer.TextTooLongException;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.data.UnicodeText;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code troupe logprobs}: how likely a model finds given texts. */
@Command(
    name = "logprobs",
    mixinStandardHelpOptions = true,
    description = "Log-probabilities of the tokens of given texts.",
    footer = {
      "",
      "Each line of the input is {\"text\": \"...\"}. With --json, one line per text:",
      "  {\"tokens\": [ids], \"logprobs\": [null, numbers]}",
      "the first token having no probability. Without, tokens, sum and perplexity."
    })
final class LogprobsCommand implements Callable<Integer> {
  private static final ObjectMapper JSON = OutputJson.mapper();

  @Spec private CommandSpec spec;
  @ParentCommand private Troupe troupe;
  @Mixin private ModelOptions model;
  @Mixin private DeviceOptions reading;

  @Option(
      names = "--input",
      paramLabel = "FILE",
      required = true,
      description = "JSONL file, one {\"text\": ...} per line")
  private Path input;

  @Option(
      names = "--special-tokens",
      description = "special tokens spelled out in a text are meant, not text")
  private boolean specialTokens;

  @Option(names = "--json", description = "one JSON object per text")
  private boolean json;

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    if (Files.isRegularFile(input) && Files.size(input) == 0) {
      throw new UserException(input + " is empty, expected one {\"text\": \"...\"} per line");
    }
    try (BufferedReader lines = Files.newBufferedReader(input, StandardCharsets.UTF_8);
        OneModel opened =
            model.open(
                troupe.models(),
                1,
                reading.engine(PipelineConfig.RolloutWeights.AUTO, PipelineConfig.Kernels.AUTO))) {
      int number = 0;
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        number++;
        if (line.isBlank()) {
          continue;
        }
        String place = input + ":" + number;
        String text = text(line, place);
        TokenIds tokens;
        try {
          tokens = specialTokens ? opened.encodeMarked(text) : opened.encode(text);
        } catch (TextTooLongException e) {
          throw new UserException(place + ": " + e.getMessage(), e);
        }
        if (tokens.size() > opened.contextLength()) {
          throw new UserException(
              place
                  + ": the text has "
                  + tokens.size()
                  + " tokens, the model's context is "
                  + opened.contextLength()
                  + " (max_position_embeddings); shorten or split it");
        }
        Floats logprobs = tokens.size() < 2 ? Floats.EMPTY : opened.logprobs(tokens);
        out.println(
            json ? JSON.writeValueAsString(object(tokens, logprobs)) : summary(tokens, logprobs));
      }
      out.flush();
    }
    return ExitCode.OK;
  }

  private static String text(String line, String place) {
    JsonNode node;
    try {
      node = JSON.readTree(line);
    } catch (JsonProcessingException e) {
      throw new UserException(
          place
              + ": not JSON ("
              + e.getOriginalMessage()
              + "); expected {\"text\": \"...\"}, found: "
              + (line.length() <= 60 ? line : line.substring(0, 60) + "…"),
          e);
    }
    @Nullable JsonNode text = node.get("text");
    if (text == null || !text.isTextual()) {
      throw new UserException(place + ": expected an object with a text under \"text\"");
    }
    UnicodeText.fault(text.textValue())
        .ifPresent(
            fault -> {
              throw new UserException(place + ": " + fault);
            });
    return text.textValue();
  }

  private static ObjectNode object(TokenIds tokens, Floats logprobs) {
    ObjectNode object = JSON.createObjectNode();
    ArrayNode ids = object.putArray("tokens");
    for (int token : tokens.values()) {
      ids.add(token);
    }
    ArrayNode numbers = object.putArray("logprobs");
    if (tokens.size() > 0) {
      numbers.addNull();
    }
    for (float logprob : logprobs.values()) {
      numbers.add(logprob);
    }
    return object;
  }

  private static String summary(TokenIds tokens, Floats logprobs) {
    double sum = 0;
    for (float logprob : logprobs.values()) {
      sum += logprob;
    }
    int scored = logprobs.values().length;
    return scored == 0
        ? String.format(Locale.ROOT, "%d tokens  nothing to score", tokens.size())
        : String.format(
            Locale.ROOT,
            "%d tokens  sum %.4f  perplexity %.4f",
            tokens.size(),
            sum,
            Math.exp(-sum / scored));
  }
}
