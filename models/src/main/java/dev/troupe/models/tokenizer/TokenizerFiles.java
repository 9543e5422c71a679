package dev.troupe.models.tokenizer;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.DurableFiles;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.gguf.GgufFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;

/** The files that make a directory of weights a whole Hugging Face model. */
public final class TokenizerFiles {
  private static final List<String> NAMES =
      List.of(
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "chat_template.jinja",
          "chat_template.json",
          "added_tokens.json",
          "tokenizer.model",
          "vocab.json",
          "merges.txt");

  private TokenizerFiles() {}

  /** Copies those that {@code from} has; of a GGUF file writes what its metadata says. */
  public static void copy(Path from, Path to) {
    if (ModelConfig.isGguf(from)) {
      try (GgufFile file = GgufFile.open(from)) {
        JsonFile.write(to.resolve("tokenizer.json"), GgufTokenizer.json(file));
        ObjectNode config = GgufTokenizer.config(file);
        config.put("tokenizer_class", "PreTrainedTokenizerFast");
        config.putArray("model_input_names").add("input_ids").add("attention_mask");
        JsonFile.write(to.resolve("tokenizer_config.json"), config);
      }
      return;
    }
    try {
      for (String name : NAMES) {
        if (Files.exists(from.resolve(name))) {
          Files.copy(from.resolve(name), to.resolve(name), StandardCopyOption.REPLACE_EXISTING);
          DurableFiles.sync(to.resolve(name));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
