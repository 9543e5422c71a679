package dev.troupe.actors.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.rlhf.data.Columns;
import dev.troupe.rlhf.data.DataConfig;
import dev.troupe.rlhf.data.DataRecord;
import dev.troupe.rlhf.data.Lengths;
import dev.troupe.rlhf.data.Origin;
import dev.troupe.rlhf.data.RecordFile;
import dev.troupe.rlhf.data.Shape;
import dev.troupe.rlhf.data.SourceConfig;
import dev.troupe.rlhf.data.Tokenization;
import dev.troupe.rlhf.data.Trained;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** From a dialogue to the tokens that are trained, with the templates of published families. */
final class DialogueTrainingTest {
  private static final Path TEMPLATES =
      Path.of("..", "models", "src", "test", "resources", "golden", "templates");
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path model;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "chatml",
        "gemma3",
        "generation",
        "llama2",
        "llama31",
        "mistral-v0.3",
        "phi3",
        "qwen3"
      })
  void sft_dialogue_trainsTheAssistantsTurnsAndNothingElse(String family) throws IOException {
    JsonNode golden = JSON.readTree(TEMPLATES.resolve(family + ".json").toFile());
    writeModel(TEMPLATES, family, golden.get("tokens"));
    try (ModelText text = ModelText.load(model)) {
      for (String name : List.of("answered", "thinking")) {
        Sequence sequence = sequence(name, text);
        List<String> said = new ArrayList<>();
        golden.get("said").get(name).forEach(turn -> said.add(turn.asText()));

        // Where a turn's end is not the end of sequence, that closes the whole.
        String end = golden.get("tokens").get("eos_token").asText();
        int last = said.size() - 1;
        if (!said.get(last).endsWith(end)) {
          said.set(last, said.get(last) + end);
        }
        assertThat(trained(sequence, text)).as(name).isEqualTo(said);
      }
    }
  }

  static Stream<JsonNode> kinds() throws IOException {
    return JSON.readTree(TEMPLATES.resolve("training.json").toFile()).valueStream();
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void sft_everyKindOfTokenizer_hasTransformersIdsAndMask(JsonNode kind) throws IOException {
    Path tokenizer = TEMPLATES.resolveSibling("tokenizers").resolve(kind.get("tokenizer").asText());
    writeModel(tokenizer, kind.get("family").asText(), kind.get("tokens"));
    try (ModelText text = ModelText.load(model)) {
      for (Map.Entry<String, JsonNode> golden : kind.get("cases").properties()) {
        Sequence sequence = sequence(golden.getKey(), text);
        List<Integer> ids = new ArrayList<>();
        golden.getValue().get("ids").forEach(id -> ids.add(id.intValue()));
        List<Integer> mask = new ArrayList<>();
        golden.getValue().get("mask").forEach(bit -> mask.add(bit.intValue()));
        if (ids.get(ids.size() - 1) != text.endOfSequence()) {
          ids.add(text.endOfSequence());
          mask.add(1);
        }
        assertThat(sequence.tokens().values()).as(golden.getKey()).containsExactly(ints(ids));
        int[] trained = new int[ids.size()];
        for (int read : sequence.reads().values()) {
          trained[read + 1] = 1;
        }
        assertThat(trained).as(golden.getKey()).containsExactly(ints(mask));
      }
    }
  }

  static Stream<JsonNode> completions() throws IOException {
    return JSON.readTree(TEMPLATES.resolve("completions.json").toFile()).get("cases").valueStream();
  }

  /**
   * TRL's ids and masks of a completion in several turns. It also learns what a template writes
   * behind the last turn's end (a line break), which nobody generates; ours ends with an end of
   * sequence.
   */
  @ParameterizedTest
  @MethodSource("completions")
  void sft_completionInTurns_hasTrlsIdsAndMask(JsonNode golden) throws IOException {
    String family = golden.get("family").asText();
    writeModel(
        TEMPLATES,
        family,
        JSON.readTree(TEMPLATES.resolve(family + ".json").toFile()).get("tokens"));
    Path file = Files.writeString(model.resolve("data.jsonl"), golden.toString());
    SourceConfig source =
        new SourceConfig(
            file.toString(),
            Optional.empty(),
            Shape.AUTO,
            Optional.empty(),
            Optional.empty(),
            Columns.NONE,
            List.of("family", "ids", "mask", "assistant"));
    try (ModelText text = ModelText.load(model)) {
      check(golden, "mask", sequence(RecordFile.read(source).get(0), Trained.COMPLETION, text));
      if (golden.has("assistant")) {
        check(
            golden, "assistant", sequence(RecordFile.read(source).get(0), Trained.ASSISTANT, text));
      }
    }
  }

  private static void check(JsonNode golden, String mask, Sequence sequence) {
    int[] ids = sequence.tokens().values();
    int[] trained = new int[ids.length];
    for (int read : sequence.reads().values()) {
      trained[read + 1] = 1;
    }
    int shared = Math.min(ids.length, golden.get("ids").size()) - 1; // the last is one of those
    assertThat(ids.length - shared).isBetween(1, 2);
    assertThat(golden.get("ids").size() - shared).isBetween(1, 2);
    for (int i = 0; i < shared; i++) {
      assertThat(ids[i]).as("token %d", i).isEqualTo(golden.get("ids").get(i).intValue());
      assertThat(trained[i]).as("mask %d", i).isEqualTo(golden.get(mask).get(i).intValue());
    }
    assertThat(trained[ids.length - 1]).isOne();
  }

  private static int[] ints(List<Integer> list) {
    return list.stream().mapToInt(Integer::intValue).toArray();
  }

  private static Sequence sequence(String dialogue, ModelText text) throws IOException {
    return sequence(dialogue(dialogue), Trained.COMPLETION, text);
  }

  private static Sequence sequence(DataRecord record, Trained trained, ModelText text) {
    Lengths lengths = new Lengths(4000, 3000, DataConfig.TooLong.DROP);
    return new Tokenization(text, DataConfig.Format.AUTO, lengths)
        .sft(List.of(record), trained)
        .examples()
        .get(0)
        .sequence();
  }

  /** The runs of tokens that are trained, as text. */
  private static List<String> trained(Sequence sequence, ModelText text) {
    List<String> pieces = text.pieces(sequence.tokens());
    List<String> runs = new ArrayList<>();
    int before = -2;
    for (int read : sequence.reads().values()) {
      int last = runs.size() - 1;
      if (read == before + 1) {
        runs.set(last, runs.get(last) + pieces.get(read + 1));
      } else {
        runs.add(pieces.get(read + 1));
      }
      before = read;
    }
    return runs;
  }

  private static DataRecord dialogue(String name) throws IOException {
    JsonNode all = JSON.readTree(TEMPLATES.resolve("dialogues.json").toFile());
    List<ChatMessage> messages = new ArrayList<>();
    all.get("dialogues")
        .get(name)
        .forEach(
            m -> messages.add(new ChatMessage(m.get("role").asText(), m.get("content").asText())));
    return new DataRecord.Dialogue(new Origin("dialogues.json", 1), messages);
  }

  private void writeModel(Path tokenizer, String family, JsonNode tokens) throws IOException {
    Files.copy(tokenizer.resolve("tokenizer.json"), model.resolve("tokenizer.json"));
    Files.copy(TEMPLATES.resolve(family + ".jinja"), model.resolve("chat_template.jinja"));
    JSON.writeValue(model.resolve("tokenizer_config.json").toFile(), tokens);
    ObjectNode config = JSON.createObjectNode();
    config.putArray("architectures").add("LlamaForCausalLM");
    config.put("model_type", "llama").put("vocab_size", 512).put("hidden_size", 8);
    config.put("intermediate_size", 8).put("num_hidden_layers", 1).put("num_attention_heads", 1);
    config.put("max_position_embeddings", 4096).put("rms_norm_eps", 1e-6).put("hidden_act", "silu");
    JSON.writeValue(model.resolve("config.json").toFile(), config);
  }
}
