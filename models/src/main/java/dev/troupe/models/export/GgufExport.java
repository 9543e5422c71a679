package dev.troupe.models.export;

import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.Decoder;
import dev.troupe.models.checkpoint.Decoder.Positions;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.RopeScaling;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.gguf.GgufConfig;
import dev.troupe.models.checkpoint.gguf.GgufFile;
import dev.troupe.models.checkpoint.gguf.GgufLayout;
import dev.troupe.models.checkpoint.gguf.GgufTensors;
import dev.troupe.models.export.GgufWriter.Storage;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.MergedWeights;
import dev.troupe.models.tokenizer.GgufVocabulary;
import dev.troupe.models.tokenizer.TokenizerFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * A model with its adapter merged, as a GGUF file for llama.cpp: matrices in F16 or Q8_0, vectors
 * in F32, as llama.cpp's own converter has them.
 */
public final class GgufExport {
  /** The file's name in the output directory. */
  public static final String NAME = "model.gguf";

  /** How matrices are stored. */
  public enum Matrices {
    F16,
    Q8_0
  }

  /** Of Hugging Face directories, as GGUF calls them. */
  private static final List<String> KNOWN = List.of("llama", "qwen2", "qwen3", "gemma2", "gemma3");

  private static final String FILE_TYPE = "general.file_type";
  private static final String QUANTIZATION_VERSION = "general.quantization_version";

  /** Keys of how a file, and not the model in it, is stored. */
  private static final String TEMPLATE = "tokenizer.chat_template";

  private static final Pattern OF_STORAGE =
      Pattern.compile("general\\.(alignment|file_type|quantization_version)|(quantize|split)\\..*");

  private GgufExport() {}

  /**
   * Writes {@value #NAME}; a value or reward head goes beside it.
   *
   * @param model directory of the base, or a GGUF file, whose metadata is taken over
   * @param adapter PEFT directory to merge into it
   * @param output must not exist, or be an empty directory
   * @return whether there was a head
   * @throws CheckpointException naming what is wrong, or what cannot be said in GGUF
   */
  public static boolean write(
      Path model, Optional<Path> adapter, Path output, Matrices matrices, ExportListener listener) {
    try (Checkpoint checkpoint = Checkpoint.open(model);
        OutputDirectory directory = OutputDirectory.make(output)) {
      Optional<Adapter> found = adapter.map(path -> Adapter.read(path, checkpoint.config()));
      MergedWeights weights = MergedWeights.of(checkpoint, found);
      ModelConfig config = weights.config();
      GgufWriter writer = new GgufWriter();
      Optional<String> template =
          TokenizerFiles.chatTemplate(adapter).map(TokenizerFiles::readChatTemplate);
      Map<String, float[]> factors =
          ModelConfig.isGguf(model)
              ? copy(writer, model, template)
              : describe(writer, model, template, config);
      writer.whole(FILE_TYPE, matrices == Matrices.F16 ? 1 : 7);
      writer.whole(QUANTIZATION_VERSION, 2);
      factors.forEach((name, values) -> writer.tensor(name, Shape.of(values.length), Storage.F32));
      GgufLayout layout = new GgufLayout(config);
      Map<String, String> sources = new LinkedHashMap<>();
      weights
          .shapes()
          .forEach(
              (name, shape) -> {
                String stored = layout.stored(name).orElseThrow(() -> noPlace(name, config));
                sources.put(stored, name);
                writer.tensor(stored, shape, storage(shape, matrices));
              });
      long total = weights.shapes().values().stream().mapToLong(Shape::elements).sum();
      long[] done = {0};
      writer.write(
          directory.path().resolve(NAME),
          stored -> {
            float[] beside = factors.get(stored);
            if (beside != null) {
              return beside;
            }
            String name = Objects.requireNonNull(sources.get(stored), stored);
            float[] values = weights.floats(name);
            done[0] += values.length;
            listener.wrote(name, done[0], total);
            return layout.toStored(name, values);
          });
      requireSame(model, config, ModelConfig.read(directory.path().resolve(NAME)));
      boolean head = ScoreFile.write(directory.path(), model, found, config.hiddenSize());
      directory.keep();
      return head;
    }
  }

  /**
   * What GGUF leaves to the family, as Gemma's local layers and the scale of its queries, must be
   * what the model has.
   */
  private static void requireSame(Path model, ModelConfig config, ModelConfig read) {
    List<String> others = differences(config, read);
    if (!others.isEmpty()) {
      throw new CheckpointException(
          model
              + ": GGUF cannot say all of this model. Read back, it would be another in "
              + String.join(", ", others)
              + ". Export --format hf and let llama.cpp's convert_hf_to_gguf.py convert that.");
    }
  }

  /** In words, what is not the same. */
  private static List<String> differences(ModelConfig config, ModelConfig read) {
    Decoder ours = config.decoder();
    Decoder theirs = read.decoder();
    Decoder.Attention attention = ours.attention();
    Map<String, Boolean> same = new LinkedHashMap<>();
    same.put("its tensors", read.tensors().equals(config.tensors()));
    same.put("head_dim", read.headDim() == config.headDim());
    same.put("the epsilon of its norms", read.normEps() == config.normEps());
    same.put("its norms", theirs.norms().equals(ours.norms()));
    same.put(
        "the scale of its scores (query_pre_attn_scalar)",
        theirs.attention().scale() == attention.scale());
    same.put("sliding_window", theirs.attention().window() == attention.window());
    same.put(
        "which layers have it (layer_types)", theirs.attention().local().equals(attention.local()));
    same.put("its MLP (activation, biases)", theirs.mlp().equals(ours.mlp()));
    same.put(
        "its rotary positions (rope_scaling, rope_parameters)",
        theirs.positions().equals(ours.positions())
            && Arrays.equals(read.rotaryFrequencies(), config.rotaryFrequencies())
            && Arrays.equals(read.localRotaryFrequencies(), config.localRotaryFrequencies()));
    List<String> others = new ArrayList<>();
    same.forEach(
        (what, equal) -> {
          if (!equal) {
            others.add(what);
          }
        });
    if (others.isEmpty() && !theirs.equals(ours)) {
      others.add("its caps, biases or scales");
    }
    return others;
  }

  private static CheckpointException noPlace(String name, ModelConfig config) {
    return new CheckpointException(
        "tensor '" + name + "' of " + config.architecture() + " has no place in GGUF.");
  }

  /**
   * All that a GGUF file says of itself but how its numbers are stored.
   *
   * @return the tensors that belong to the configuration
   */
  private static Map<String, float[]> copy(
      GgufWriter writer, Path model, Optional<String> template) {
    try (GgufFile file = GgufFile.open(model)) {
      file.metadata().keySet().stream()
          .filter(key -> !OF_STORAGE.matcher(key).matches())
          .filter(key -> template.isEmpty() || !key.equals(TEMPLATE))
          .forEach(key -> writer.entry(file.entry(key)));
      template.ifPresent(source -> writer.text(TEMPLATE, source));
      return file.tensors().containsKey(GgufTensors.ROPE_FACTORS)
          ? Map.of(GgufTensors.ROPE_FACTORS, file.floats(GgufTensors.ROPE_FACTORS))
          : Map.of();
    }
  }

  /** The same of a Hugging Face directory. Llama 3.1's scaling is a tensor in GGUF. */
  private static Map<String, float[]> describe(
      GgufWriter writer, Path model, Optional<String> template, ModelConfig config) {
    String architecture =
        GgufConfig.nameOf(config.architecture())
            .filter(KNOWN::contains)
            .orElseThrow(
                () ->
                    new CheckpointException(
                        model
                            + ": "
                            + config.architecture()
                            + " cannot be written as GGUF; known are "
                            + String.join(", ", KNOWN)
                            + ". Export --format hf and let llama.cpp's convert_hf_to_gguf.py convert that."));
    String prefix = architecture + ".";
    Decoder decoder = config.decoder();
    if (architecture.startsWith("gemma")) {
      writer.whole(prefix + "attention.sliding_window", decoder.attention().window());
    } else if (decoder.attention().window() > 0) {
      throw new CheckpointException(
          model
              + ": a sliding window (use_sliding_window) cannot be said in a GGUF of this family.");
    }
    writer.text("general.architecture", architecture);
    writer.text("general.name", String.valueOf(model.getFileName()));
    if (architecture.equals("gemma2")) {
      writer.number(prefix + "attn_logit_softcapping", decoder.attention().softcap());
      writer.number(prefix + "final_logit_softcapping", decoder.finalSoftcap());
    }
    writer.whole(prefix + "block_count", config.layers());
    writer.whole(prefix + "context_length", config.maxPositionEmbeddings());
    writer.whole(prefix + "embedding_length", config.hiddenSize());
    writer.whole(prefix + "feed_forward_length", config.intermediateSize());
    writer.whole(prefix + "attention.head_count", config.heads());
    writer.whole(prefix + "attention.head_count_kv", config.kvHeads());
    writer.whole(prefix + "attention.key_length", config.headDim());
    writer.whole(prefix + "attention.value_length", config.headDim());
    writer.number(prefix + "attention.layer_norm_rms_epsilon", config.normEps());
    writer.whole(prefix + "vocab_size", config.vocabSize());
    if (!(config.decoder().positions() instanceof Positions.Rotary rotary)) {
      throw new CheckpointException(model + ": its positions cannot be said in GGUF.");
    }
    writer.whole(prefix + "rope.dimension_count", rotary.dims());
    writer.number(prefix + "rope.freq_base", rotary.theta());
    Map<String, float[]> factors = Map.of();
    if (rotary.scaling() instanceof RopeScaling.Linear linear) {
      writer.text(prefix + "rope.scaling.type", "linear");
      writer.number(prefix + "rope.scaling.factor", linear.factor());
    } else if (rotary.scaling() instanceof RopeScaling.Llama3 llama3
        && llama3.equals(GgufConfig.llama3(llama3.factor()))) {
      factors = Map.of(GgufTensors.ROPE_FACTORS, factors(rotary));
    } else if (!(rotary.scaling() instanceof RopeScaling.None)) {
      throw new CheckpointException(
          model
              + ": this rope_scaling cannot be written as GGUF; known are none, linear and Llama 3.1's. Export --format hf and let"
              + " llama.cpp's convert_hf_to_gguf.py convert that.");
    }
    GgufVocabulary vocabulary = GgufVocabulary.of(model, config.vocabSize());
    vocabulary(writer, vocabulary, config);
    template.or(vocabulary::chatTemplate).ifPresent(source -> writer.text(TEMPLATE, source));
    return factors;
  }

  /** What each frequency is divided by. */
  private static float[] factors(Positions.Rotary rotary) {
    int pairs = rotary.dims() / 2;
    float[] factors = new float[pairs];
    for (int i = 0; i < pairs; i++) {
      double frequency = Math.pow(rotary.theta(), -(double) i / pairs);
      factors[i] =
          (float) (frequency / rotary.scaling().scale(frequency, i, rotary.theta(), pairs));
    }
    return factors;
  }

  private static void vocabulary(GgufWriter writer, GgufVocabulary vocabulary, ModelConfig config) {
    String prefix = "tokenizer.ggml.";
    if (vocabulary.way() instanceof GgufVocabulary.Way.Bytes bytes) {
      writer.text(prefix + "model", "gpt2");
      writer.text(prefix + "pre", bytes.split());
      writer.texts(prefix + "merges", bytes.merges());
    } else if (vocabulary.way() instanceof GgufVocabulary.Way.Pieces pieces) {
      writer.text(prefix + "model", "llama");
      writer.text(prefix + "pre", "default");
      writer.numbers(prefix + "scores", pieces.scores());
      writer.whole(prefix + "unknown_token_id", pieces.unknown());
      writer.flag(prefix + "add_space_prefix", pieces.prefix());
    }
    writer.texts(prefix + "tokens", vocabulary.tokens());
    writer.wholes(prefix + "token_type", vocabulary.kinds());
    vocabulary.bos().ifPresent(id -> writer.whole(prefix + "bos_token_id", id));
    vocabulary.eos().ifPresent(id -> writer.whole(prefix + "eos_token_id", id));
    // A turn of a dialogue may end with a token of its own.
    List<Integer> ends = new ArrayList<>(config.eosTokenIds());
    vocabulary.eos().ifPresent(id -> ends.remove((Integer) id));
    if (vocabulary.eos().isPresent() && ends.size() == 1) {
      writer.whole(prefix + "eot_token_id", ends.get(0));
    }
    vocabulary.pad().ifPresent(id -> writer.whole(prefix + "padding_token_id", id));
    writer.flag(prefix + "add_bos_token", vocabulary.addBos());
    writer.flag(prefix + "add_eos_token", vocabulary.addEos());
  }

  /** Vectors stay as they are, and so, as F16, does what Q8_0's blocks do not divide. */
  private static Storage storage(Shape shape, Matrices matrices) {
    if (shape.dimensions().size() < 2) {
      return Storage.F32;
    }
    long columns = shape.dimensions().get(1);
    return matrices == Matrices.Q8_0 && columns % GgufWriter.BLOCK == 0
        ? Storage.Q8_0
        : Storage.F16;
  }
}
