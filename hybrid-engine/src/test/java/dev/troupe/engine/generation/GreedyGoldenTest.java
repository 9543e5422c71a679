package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.AdapterConfig;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.TokenIds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Greedy continuations of 64 tokens are those of transformers, prompts of unequal length in one
 * batch (golden files of the models module).
 */
final class GreedyGoldenTest {
  private static final Path GOLDEN =
      Path.of(System.getProperty("troupe.root"), "models/src/test/resources/golden");
  private static final SamplingSettings GREEDY = new SamplingSettings(64, 0, 0, 1, List.of(), 1);

  @TempDir private Path directory;

  @ParameterizedTest
  @CsvSource({
    "gqa-tied-bf16, ''",
    "untied-llama3-fp16, ''",
    "linear-rope-fp32, ''",
    "gqa-tied-bf16, gqa-adapter",
  })
  void generate_greedy_equalsTransformers(String model, String adapter) throws IOException {
    copyWithoutEndTokens(model);
    JsonNode golden =
        new ObjectMapper()
            .readTree(
                GOLDEN
                    .resolve(adapter.isEmpty() ? model : adapter)
                    .resolve("expected.json")
                    .toFile());
    try (BaseModel base = BaseModel.load(directory);
        Tokenizer tokenizer = Tokenizer.load(directory);
        Lanes lanes = new Lanes(2)) {
      ParameterLayout layout = ParameterLayout.bare(base.config(), false);
      float[] parameters = new float[0];
      if (!adapter.isEmpty()) {
        Adapter lora = Adapter.read(GOLDEN.resolve(adapter), base.config());
        AdapterConfig config = lora.config();
        layout = ParameterLayout.adapter(base.config(), config, false);
        parameters = new float[layout.size()];
        layout.take(parameters, lora);
      }
      try (Handle flat = Handle.of(parameters, parameters.length);
          Generator generator =
              new Generator(base, tokenizer, layout, lanes, Generator.Options.defaults())) {
        generator.flip(flat, 1);
        List<Rollout> rollouts = generator.generate(1, prompts(golden), GREEDY);
        for (int i = 0; i < rollouts.size(); i++) {
          assertThat(rollouts.get(i).response().values())
              .as("continuation of text %s", i)
              .hasSize(64)
              .isEqualTo(ints(golden.get("greedy").get(i).get("tokens")));
        }
        assertThat(rollouts).hasSize(4);
      }
    }
  }

  /**
   * The golden continuations go on behind end tokens, so the copy has none. The tokenizer is the
   * first model's for all: only ids are compared.
   */
  private void copyWithoutEndTokens(String model) throws IOException {
    for (String from : List.of("gqa-tied-bf16", model)) {
      try (Stream<Path> files = Files.list(GOLDEN.resolve(from))) {
        for (Path file : files.toList()) {
          String name = file.getFileName().toString();
          if (from.equals(model) || name.contains("token")) {
            Files.write(directory.resolve(name), Files.readAllBytes(file));
          }
        }
      }
    }
    for (String name : List.of("config.json", "generation_config.json")) {
      ObjectNode json = JsonFile.read(directory.resolve(name));
      json.putNull("eos_token_id");
      JsonFile.write(directory.resolve(name), json);
    }
    for (String name : List.of("tokenizer_config.json", "special_tokens_map.json")) {
      ObjectNode json = JsonFile.read(directory.resolve(name));
      json.remove("eos_token");
      JsonFile.write(directory.resolve(name), json);
    }
  }

  private static List<Prompt> prompts(JsonNode golden) {
    List<Prompt> prompts = new ArrayList<>();
    for (JsonNode tokens : golden.get("batch")) {
      prompts.add(new Prompt("text-" + prompts.size(), "", new TokenIds(ints(tokens))));
    }
    return prompts;
  }

  private static int[] ints(JsonNode array) {
    int[] ints = new int[array.size()];
    for (int i = 0; i < ints.length; i++) {
      ints[i] = array.get(i).intValue();
    }
    return ints;
  }
}
