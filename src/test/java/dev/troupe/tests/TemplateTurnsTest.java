package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.actors.pipeline.ModelText;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.environment.EnvironmentConfig;
import dev.troupe.rlhf.environment.EpisodeSetup;
import dev.troupe.rlhf.environment.Episodes;
import dev.troupe.rlhf.environment.EpisodesConfig;
import dev.troupe.rlhf.port.Conversation;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EnvironmentFactory;
import dev.troupe.rlhf.port.Sampler;
import dev.troupe.rlhf.recipe.Await;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A call and its answer in published chat templates: what was sampled stays, and between the turns
 * stands what the template writes there. Expected texts are what transformers 5.24 renders behind
 * the end of the calling turn.
 */
class TemplateTurnsTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path BASE = Quickstarts.ROOT.resolve("configs/quickstart-base");
  private static final List<String> SPECIAL =
      List.of(
          "<|im_start|>",
          "<|im_end|>",
          "<|start_header_id|>",
          "<|end_header_id|>",
          "<|eot_id|>",
          "[TOOL_CALLS]",
          "[TOOL_RESULTS]",
          "[/TOOL_RESULTS]",
          "</s>");
  private static final List<Integer> ENDS = List.of(0, 513, 516, 520);

  @TempDir Path directory;

  /** The base's tokenizer with special tokens behind its own and another template. */
  private ModelText text(String template) throws IOException {
    Path model = Files.createDirectories(directory.resolve(template));
    ObjectNode tokenizer = (ObjectNode) JSON.readTree(BASE.resolve("tokenizer.json").toFile());
    ArrayNode added = (ArrayNode) tokenizer.path("added_tokens");
    for (int i = 0; i < SPECIAL.size(); i++) {
      ObjectNode token = added.get(0).deepCopy();
      added.add(token.put("id", 512 + i).put("content", SPECIAL.get(i)));
    }
    JSON.writeValue(model.resolve("tokenizer.json").toFile(), tokenizer);
    Files.copy(BASE.resolve("tokenizer_config.json"), model.resolve("tokenizer_config.json"));
    ObjectNode config = (ObjectNode) JSON.readTree(BASE.resolve("config.json").toFile());
    config.put("vocab_size", 512 + SPECIAL.size()).put("max_position_embeddings", 4096);
    config.set("eos_token_id", JSON.valueToTree(ENDS));
    JSON.writeValue(model.resolve("config.json").toFile(), config);
    Files.copy(
        Quickstarts.ROOT.resolve(
            "models/src/test/resources/golden/templates/" + template + ".jinja"),
        model.resolve("chat_template.jinja"));
    return ModelText.load(model);
  }

  /** Answers each call with 42, and is done when there is none. */
  private static final class Answering implements EnvironmentFactory {
    private final List<Environment.Action> actions = new ArrayList<>();

    @Override
    public String name() {
      return "answering";
    }

    @Override
    public List<Map<String, @Nullable Object>> tools() {
      return List.of(
          Map.of(
              "type",
              "function",
              "function",
              Map.of(
                  "name",
                  "f",
                  "description",
                  "d",
                  "parameters",
                  Map.of("type", "object", "properties", Map.of()))));
    }

    @Override
    public Environment create(Environment.Task task) {
      return new Environment() {
        @Override
        public Observation reset() {
          return Observation.none();
        }

        @Override
        public Observation step(Action action) {
          actions.add(action);
          return new Observation(
              action.calls().stream().map(call -> new ChatMessage("tool", "42")).toList(),
              OptionalDouble.empty(),
              action.calls().isEmpty(),
              Map.of());
        }
      };
    }
  }

  private static EpisodeSetup setup(ModelText text, EnvironmentFactory factory) {
    return new EpisodeSetup(
        "grpo.environment",
        new EnvironmentConfig.JavaEnvironment("answering"),
        new EpisodesConfig(4, 1000, 64, 60, 60, Optional.empty()),
        (name, config) -> factory,
        text);
  }

  /** Plays a call and an answer; the response with special tokens spelled out. */
  private void plays(String template, String call, String end, String between) throws IOException {
    try (ModelText text = text(template)) {
      Answering environment = new Answering();
      EpisodeSetup setup = setup(text, environment);
      String first = call + end;
      String second = "it is 42" + end;
      Sampler policy =
          new Sampler() {
            @Override
            public CompletionStage<List<List<Rollout>>> sample(
                List<Prompt> prompts, int answers, SamplingSettings settings) {
              Prompt prompt = prompts.get(0);
              TokenIds said = text.encodeRendered(prompt.id().endsWith("/1.2") ? second : first);
              return CompletableFuture.completedFuture(
                  List.of(
                      List.of(
                          new Rollout(
                              prompt,
                              said,
                              text.decode(said),
                              new Floats(new float[said.size()]),
                              FinishReason.EOS,
                              1))));
            }
          };
      String prompt =
          text.render(
              new Conversation(
                  List.of(new ChatMessage("user", "ask")), Map.of("tools", setup.tools())),
              true);
      try (Episodes episodes = setup.open(policy, notice -> {})) {
        Rollout rollout =
            Await.on(
                    episodes.generate(
                        List.of(new Prompt("p", prompt, text.encodeRendered(prompt))),
                        new SamplingSettings(400, 1, 0, 1, List.of(), 1)))
                .get(0);
        assertThat(String.join("", text.pieces(rollout.response())))
            .isEqualTo(first + between + second);
        assertThat(String.join("", text.pieces(rollout.sampled()))).isEqualTo(first + second);
        assertThat(rollout.text()).isEqualTo("it is 42");
        assertThat(environment.actions.get(0).calls()).hasSize(1);
        assertThat(environment.actions.get(0).calls().get(0).arguments()).isEqualTo(Map.of("x", 1));
      }
    }
  }

  @Test
  void qwen_andHermes() throws IOException {
    String call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>";
    String between =
        """

        <|im_start|>user
        <tool_response>
        42
        </tool_response><|im_end|>
        <|im_start|>assistant
        """;
    plays("qwen2.5", call, "<|im_end|>", between);
    // Qwen3 writes an empty thought into a call's turn when it is the last, and none else.
    plays("qwen3", call, "<|im_end|>", between);
  }

  @Test
  void llama() throws IOException {
    plays(
        "llama31",
        "{\"name\": \"f\", \"parameters\": {\"x\": 1}}",
        "<|eot_id|>",
        "<|start_header_id|>ipython<|end_header_id|>\n\n\"42\"<|eot_id|>"
            + "<|start_header_id|>assistant<|end_header_id|>\n\n");
  }

  @Test
  void mistral() throws IOException {
    plays(
        "mistral-v0.3",
        "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"x\": 1}, \"id\": \"abcdefghi\"}]",
        "</s>",
        "[TOOL_RESULTS] {\"content\": 42, \"call_id\": \"abcdefghi\"}[/TOOL_RESULTS]");
  }

  @Test
  void templatesWithoutTools_areRefusedByTheirName() throws IOException {
    for (String template : List.of("chatml", "gemma3", "llama2")) {
      try (ModelText text = text(template)) {
        assertThatThrownBy(() -> setup(text, new Answering()))
            .isInstanceOf(EnvironmentException.class)
            .hasMessageStartingWith(
                "grpo.environment offers the tools [f], and the chat template in ")
            .hasMessageContaining(template + "/chat_template.jinja")
            .hasMessageEndingWith("take a model whose template supports tools");
      }
    }
  }
}
