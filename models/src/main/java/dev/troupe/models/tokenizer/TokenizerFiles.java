package dev.troupe.models.tokenizer;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.DurableFiles;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Unreadable;
import dev.troupe.models.checkpoint.gguf.GgufFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Optional;

/** The files that make a directory of weights a whole Hugging Face model. */
public final class TokenizerFiles {
  /** Where a chat template stands beside a model or an adapter. */
  private static final String CHAT_TEMPLATE = "chat_template.jinja";

  private static final List<String> NAMES =
      List.of(
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          CHAT_TEMPLATE,
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
    copy(from, to, NAMES);
  }

  /**
   * The chat template that an adapter brings, having been trained with another than its base's.
   *
   * @param adapter its directory
   */
  public static Optional<Path> chatTemplate(Optional<Path> adapter) {
    return adapter.map(path -> path.resolve(CHAT_TEMPLATE)).filter(Files::isRegularFile);
  }

  /**
   * A chat template's source.
   *
   * @throws CheckpointException when it cannot be read, or is no text
   */
  public static String readChatTemplate(Path file) {
    try {
      return Files.readString(file);
    } catch (CharacterCodingException e) {
      throw new CheckpointException(file + " is not UTF-8 text; convert it first.", e);
    } catch (IOException e) {
      throw Unreadable.of(file, e);
    }
  }

  /** Puts a chat template beside a model or an adapter. */
  public static void writeChatTemplate(Path file, Path directory) {
    try {
      Path target = directory.resolve(CHAT_TEMPLATE);
      Files.copy(file, target, StandardCopyOption.REPLACE_EXISTING);
      DurableFiles.sync(target);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void copy(Path from, Path to, List<String> names) {
    try {
      for (String name : names) {
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
