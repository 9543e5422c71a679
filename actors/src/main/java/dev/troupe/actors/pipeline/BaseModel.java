package dev.troupe.actors.pipeline;

import dev.troupe.models.checkpoint.DurableFiles;
import dev.troupe.models.fresh.FreshModel;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.rlhf.data.DataRecord;
import dev.troupe.rlhf.recipe.ModelInitConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/** The checkpoint with random weights that a new model begins from. */
final class BaseModel {
  private BaseModel() {}

  /**
   * There whole or not at all.
   *
   * @param records whose texts its tokenizer is trained on; read when it is made
   */
  static Path fresh(
      RunDirectory directory, ModelInitConfig shape, Supplier<List<DataRecord>> records, long seed)
      throws IOException {
    Path fresh = directory.fresh();
    if (!Files.exists(fresh)) {
      Path writing = directory.path().resolve("fresh.writing");
      fresh(shape).write(writing, corpus(records.get()), seed);
      DurableFiles.syncTree(writing);
      DurableFiles.rename(writing, fresh);
    }
    return fresh;
  }

  private static FreshModel fresh(ModelInitConfig shape) {
    return new FreshModel(
        shape.hiddenSize(),
        shape.layers(),
        shape.heads(),
        shape.kvHeads(),
        shape.intermediateSize(),
        shape.vocabSize(),
        shape.contextLength(),
        shape.initialStandardDeviation());
  }

  private static List<String> corpus(List<DataRecord> records) {
    List<String> texts = new ArrayList<>();
    for (DataRecord record : records) {
      if (record instanceof DataRecord.PlainText plain) {
        texts.add(plain.text());
      } else if (record instanceof DataRecord.Completion completion) {
        texts.add(completion.completion());
      } else if (record instanceof DataRecord.Preference preference) {
        texts.add(preference.chosen());
      } else if (record instanceof DataRecord.Dialogue dialogue) {
        texts.add(
            dialogue.messages().stream()
                .map(ChatMessage::content)
                .collect(Collectors.joining("\n")));
      }
    }
    return texts;
  }
}
