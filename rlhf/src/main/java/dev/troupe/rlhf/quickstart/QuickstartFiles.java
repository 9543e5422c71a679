package dev.troupe.rlhf.quickstart;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.rlhf.data.DataConfig;
import dev.troupe.rlhf.data.SourceConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** The quickstart's data as files, so that they are read as a user's own would be. */
public final class QuickstartFiles {
  private static final ObjectMapper JSON = new ObjectMapper();

  private QuickstartFiles() {}

  /**
   * Writes corpus.jsonl, sft.jsonl, preferences.jsonl and prompts.jsonl, leaving out those of size
   * 0. Written again, they hold the same bytes.
   *
   * @param data whose sources are replaced by these files; the rest of it is kept. With a corpus
   *     and no replies, SFT reads the corpus: pre-training
   */
  public static DataConfig write(Path directory, QuickstartConfig config, DataConfig data)
      throws IOException {
    Files.createDirectories(directory);
    Quickstart quickstart = new Quickstart(config.seed());
    List<SourceConfig> corpus =
        file(
            directory.resolve("corpus.jsonl"),
            quickstart.corpus(config.corpus()).stream().map(text -> row("text", text)));
    List<SourceConfig> answered =
        file(
            directory.resolve("sft.jsonl"),
            quickstart.answered(config.answered()).stream()
                .map(a -> row("prompt", a.prompt(), "completion", a.reply())));
    List<SourceConfig> preferences =
        file(
            directory.resolve("preferences.jsonl"),
            quickstart.preferences(config.preferences()).stream()
                .map(
                    p ->
                        row("prompt", p.prompt(), "chosen", p.chosen(), "rejected", p.rejected())));
    List<SourceConfig> prompts =
        file(
            directory.resolve("prompts.jsonl"),
            quickstart.prompts(config.prompts()).stream().map(prompt -> row("prompt", prompt)));
    return new DataConfig(
        answered.isEmpty() ? corpus : answered,
        preferences,
        List.of(),
        prompts,
        corpus,
        data.stageSplit(),
        data.format(),
        data.chatTemplate(),
        data.maxTokens(),
        data.maxPromptTokens(),
        data.tooLong(),
        data.maxRecords(),
        data.maxMegabytes());
  }

  private static Map<String, String> row(String... keysAndValues) {
    Map<String, String> row = new LinkedHashMap<>();
    for (int i = 0; i < keysAndValues.length; i += 2) {
      row.put(keysAndValues[i], keysAndValues[i + 1]);
    }
    return row;
  }

  /** One source, or none where there are no rows. */
  private static List<SourceConfig> file(Path path, Stream<Map<String, String>> rows)
      throws IOException {
    StringBuilder text = new StringBuilder();
    for (Map<String, String> row : (Iterable<Map<String, String>>) rows::iterator) {
      text.append(JSON.writeValueAsString(row)).append('\n');
    }
    if (text.isEmpty()) {
      return List.of();
    }
    Files.writeString(path, text);
    return List.of(SourceConfig.of(path.toString()));
  }
}
