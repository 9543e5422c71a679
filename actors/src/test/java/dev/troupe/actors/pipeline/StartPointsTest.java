package dev.troupe.actors.pipeline;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Bad starting points are told before anything is made; whole runs are in StartFromTest. */
class StartPointsTest {
  @TempDir Path directory;

  private void tokenizer(String name, String json) throws IOException {
    Path model = Files.createDirectories(directory.resolve(name));
    Files.writeString(model.resolve("config.json"), "{}");
    Files.writeString(model.resolve("tokenizer.json"), json);
  }

  @Test
  void otherTokens_areRefused_byTheFirstThatDiffers() throws IOException {
    tokenizer(
        "base",
        """
        {"model": {"vocab": {"a": 0, "b": 1}}, "added_tokens": [{"id": 2, "content": "<end>"}]}
        """);
    tokenizer(
        "same",
        """
        {"model": {"vocab": {"b": 1, "a": 0}, "more": 1},
         "added_tokens": [{"id": 2, "content": "<end>"}, {"id": 3, "content": "<pad>"}]}
        """);
    tokenizer(
        "other",
        """
        {"model": {"vocab": {"a": 0, "b": 1}}, "added_tokens": [{"id": 3, "content": "<end>"}]}
        """);
    tokenizer("unigram", "{\"model\": {\"vocab\": [[\"b\", -1.5], [\"a\", -2.0]]}}");
    StartPoints.sameTokens("start.reward", directory.resolve("base"), directory.resolve("same"));
    assertThatThrownBy(
            () ->
                StartPoints.sameTokens(
                    "start.reward", directory.resolve("base"), directory.resolve("other")))
        .isInstanceOf(PipelineException.class)
        .hasMessage(
            "start.reward is "
                + directory.resolve("other")
                + ", which has another tokenizer than the model "
                + directory.resolve("base")
                + ": the token '<end>' is number 2 there and number 3 here. Name one that was made"
                + " from the same model");
    assertThatThrownBy(
            () ->
                StartPoints.sameTokens(
                    "start.reward", directory.resolve("base"), directory.resolve("unigram")))
        .hasMessageContaining("the token 'a' is number 0 there and number 1 here");
  }
}
