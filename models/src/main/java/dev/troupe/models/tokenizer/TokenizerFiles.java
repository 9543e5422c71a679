package dev.troupe.models.tokenizer;

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

  /** Copies those that {@code from} has. */
  public static void copy(Path from, Path to) {
    try {
      for (String name : NAMES) {
        if (Files.exists(from.resolve(name))) {
          Files.copy(from.resolve(name), to.resolve(name), StandardCopyOption.REPLACE_EXISTING);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
