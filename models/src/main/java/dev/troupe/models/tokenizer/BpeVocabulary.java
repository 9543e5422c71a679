package dev.troupe.models.tokenizer;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.JsonFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * A trained byte-level BPE vocabulary.
 *
 * @param specials special tokens, ids 0 up
 * @param tokens every token by its id, the special ones included; bytes written as GPT-2's letters
 * @param merges in the order in which they apply
 */
public record BpeVocabulary(List<String> specials, List<String> tokens, List<Merge> merges) {
  /** Two neighbouring tokens that become one. */
  public record Merge(String left, String right) {}

  /**
   * What the files say besides the vocabulary.
   *
   * @param bos starts a text; put in front of every document when present
   * @param eos ends a text
   * @param pad fills up
   * @param chatTemplate Jinja source, for example {@link ChatTemplate#SIMPLE}
   * @param modelMaxLength the model's context in tokens
   */
  public record Setup(
      Optional<String> bos,
      String eos,
      Optional<String> pad,
      Optional<String> chatTemplate,
      int modelMaxLength) {}

  public BpeVocabulary {
    specials = List.copyOf(specials);
    tokens = List.copyOf(tokens);
    merges = List.copyOf(merges);
  }

  /**
   * Writes {@code tokenizer.json}, {@code tokenizer_config.json} and {@code
   * special_tokens_map.json}.
   */
  public void write(Path directory, Setup setup) {
    requireSpecial(setup.eos());
    setup.bos().ifPresent(this::requireSpecial);
    setup.pad().ifPresent(this::requireSpecial);
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new CheckpointException(directory + " cannot be made: " + e, e);
    }
    JsonFile.write(directory.resolve("tokenizer.json"), tokenizerJson(setup));
    ObjectNode config = JsonFile.object();
    config.put("tokenizer_class", "PreTrainedTokenizerFast");
    putSpecials(config, setup);
    config.put("model_max_length", setup.modelMaxLength());
    config.put("clean_up_tokenization_spaces", false);
    setup.chatTemplate().ifPresent(template -> config.put("chat_template", template));
    JsonFile.write(directory.resolve("tokenizer_config.json"), config);
    ObjectNode map = JsonFile.object();
    putSpecials(map, setup);
    JsonFile.write(directory.resolve("special_tokens_map.json"), map);
  }

  private void requireSpecial(String token) {
    if (!specials.contains(token)) {
      throw new IllegalArgumentException(
          "'" + token + "' is not one of the special tokens " + specials);
    }
  }

  private static void putSpecials(ObjectNode json, Setup setup) {
    setup.bos().ifPresent(bos -> json.put("bos_token", bos));
    json.put("eos_token", setup.eos());
    setup.pad().ifPresent(pad -> json.put("pad_token", pad));
  }

  private ObjectNode tokenizerJson(Setup setup) {
    ObjectNode json = JsonFile.object();
    json.put("version", "1.0");
    json.putNull("truncation");
    json.putNull("padding");
    ArrayNode added = json.putArray("added_tokens");
    for (int id = 0; id < specials.size(); id++) {
      added
          .addObject()
          .put("id", id)
          .put("content", specials.get(id))
          .put("single_word", false)
          .put("lstrip", false)
          .put("rstrip", false)
          .put("normalized", false)
          .put("special", true);
    }
    json.putNull("normalizer");
    json.set("pre_tokenizer", byteLevel());
    if (setup.bos().isPresent()) {
      json.set("post_processor", startWith(setup.bos().get()));
    } else {
      json.putNull("post_processor");
    }
    json.set("decoder", byteLevel());
    ObjectNode model = json.putObject("model");
    model.put("type", "BPE");
    model.putNull("dropout");
    model.putNull("unk_token");
    model.putNull("continuing_subword_prefix");
    model.putNull("end_of_word_suffix");
    model.put("fuse_unk", false);
    model.put("byte_fallback", false);
    model.put("ignore_merges", false);
    ObjectNode vocab = model.putObject("vocab");
    for (int id = 0; id < tokens.size(); id++) {
      vocab.put(tokens.get(id), id);
    }
    ArrayNode pairs = model.putArray("merges");
    merges.forEach(merge -> pairs.add(merge.left() + " " + merge.right()));
    return json;
  }

  private static ObjectNode byteLevel() {
    return JsonFile.object()
        .put("type", "ByteLevel")
        .put("add_prefix_space", false)
        .put("trim_offsets", true)
        .put("use_regex", true);
  }

  private ObjectNode startWith(String bos) {
    ObjectNode json = JsonFile.object();
    json.put("type", "TemplateProcessing");
    ArrayNode single = json.putArray("single");
    single.addObject().putObject("SpecialToken").put("id", bos).put("type_id", 0);
    single.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
    ArrayNode pair = json.putArray("pair");
    pair.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
    pair.addObject().putObject("Sequence").put("id", "B").put("type_id", 1);
    ObjectNode special = json.putObject("special_tokens").putObject(bos);
    special.put("id", bos);
    special.putArray("ids").add(specials.indexOf(bos));
    special.putArray("tokens").add(bos);
    return json;
  }
}
