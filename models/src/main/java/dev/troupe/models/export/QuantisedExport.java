package dev.troupe.models.export;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.CheckpointWriter;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.Slot;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.checkpoint.quantised.BitsAndBytesWeight;
import dev.troupe.models.quantisation.Blocks;
import dev.troupe.models.quantisation.FourBits;
import dev.troupe.models.quantisation.HeldNumbers;
import dev.troupe.models.quantisation.QuantisationError;
import dev.troupe.models.quantisation.StoredBlocks;
import dev.troupe.models.quantisation.Uniform;
import dev.troupe.models.tokenizer.TokenizerFiles;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Torch;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Storage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * A model whose linear layers are in four or eight bits, as bitsandbytes and transformers load it,
 * and what that costs each of them. Embedding, output matrix, norms and biases stay as they are.
 * One weight at a time is in memory.
 */
public final class QuantisedExport implements AutoCloseable {
  private static final Set<Slot> LINEAR = Set.of(Slot.QKV, Slot.OUT, Slot.UP, Slot.DOWN);

  /**
   * What is asked for.
   *
   * @param quantisation NF4 or FP4 in blocks; INT8 is a scale for each row, as LLM.int8 has it, and
   *     its block is left out of account
   * @param dtype of all else, and of the numbers that are quantised; empty for the checkpoint's own
   * @param maxShardBytes no file holds more, unless one weight alone does
   * @param compare whether errors of other schemes are told too
   */
  public record Request(
      Quantisation quantisation, Optional<DType> dtype, long maxShardBytes, boolean compare) {}

  /**
   * What a layer loses.
   *
   * @param tensor its weight's name
   * @param errors by scheme, what is written first
   */
  public record Layer(String tensor, Shape shape, Map<String, QuantisationError> errors) {}

  private final Checkpoint checkpoint;
  private final Request request;
  private final DType dtype;
  private final ExportListener listener;
  private final KernelModule convert;

  /** Whether a linear layer's weight is stored (inputs, outputs), by its name. */
  private final Map<String, Boolean> linear;

  private final List<Layer> layers = new ArrayList<>();
  private final long total;
  private long done;

  private QuantisedExport(Checkpoint checkpoint, Request request, ExportListener listener) {
    this.checkpoint = checkpoint;
    this.request = request;
    this.listener = listener;
    dtype = request.dtype().orElseGet(() -> checkpoint.dtype(checkpoint.names().iterator().next()));
    linear =
        checkpoint.config().weights().stream()
            .filter(weight -> LINEAR.contains(weight.slot()))
            .flatMap(
                weight ->
                    weight.parts().stream()
                        .map(part -> Map.entry(part.name(), weight.transposed())))
            .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
    total = checkpoint.config().tensors().values().stream().mapToLong(Shape::elements).sum();
    checkpoint.names().stream().filter(linear::containsKey).forEach(this::require);
    convert =
        KernelModule.load(
            QuantisedExport.class,
            "/kernels/convert.py",
            Map.of(),
            Map.of("DEVICE", Torch.device().toString()));
  }

  /**
   * Writes it.
   *
   * @param model directory of a checkpoint, or a .gguf file
   * @param output must not exist, or be an empty directory
   * @return what each layer loses, in the order of the network
   * @throws CheckpointException naming what is wrong with the model or the output
   */
  public static List<Layer> write(
      Path model, Path output, Request request, ExportListener listener) {
    try (Checkpoint checkpoint = Checkpoint.open(model);
        QuantisedExport export = new QuantisedExport(checkpoint, request, listener);
        OutputDirectory directory = OutputDirectory.make(output)) {
      Path target = directory.path();
      CheckpointWriter.writeStored(
          target, export.groups(), export::written, request.maxShardBytes());
      ObjectNode config = checkpoint.config().source();
      config.remove("dtype");
      config.put("torch_dtype", export.dtype.torchName());
      config.set(
          ModelConfig.QUANTISATION,
          BitsAndBytesWeight.config(request.quantisation(), export.dtype));
      JsonFile.write(target.resolve("config.json"), config);
      Path generation = model.resolve("generation_config.json");
      if (Files.exists(generation)) {
        JsonFile.write(target.resolve("generation_config.json"), JsonFile.read(generation));
      }
      TokenizerFiles.copy(model, target);
      directory.keep();
      return export.layers;
    }
  }

  /** Looks alone, as {@link #write} without a file. */
  public static List<Layer> measure(Path model, Request request, ExportListener listener) {
    try (Checkpoint checkpoint = Checkpoint.open(model);
        QuantisedExport export = new QuantisedExport(checkpoint, request, listener)) {
      for (String name : checkpoint.names()) {
        if (export.linear.containsKey(name)) {
          export.quantised(name);
        }
        export.tell(name);
      }
      return export.layers;
    }
  }

  private void require(String name) {
    Quantisation how = request.quantisation();
    Shape shape = checkpoint.shape(name);
    if (how.storage() != Storage.INT8 && shape.elements() % how.blockSize() != 0) {
      throw new CheckpointException(
          checkpoint.directory()
              + ", tensor '"
              + name
              + "' of shape "
              + shape
              + " has "
              + shape.elements()
              + " numbers, which are no multiple of a block of "
              + how.blockSize()
              + ". Let --block-size be a divisor, or --storage be int8.");
    }
  }

  /** Of each tensor of the model, those that are written of it. */
  private List<List<BitsAndBytesWeight.Part>> groups() {
    List<List<BitsAndBytesWeight.Part>> groups = new ArrayList<>();
    for (String name : checkpoint.names()) {
      Shape shape = checkpoint.shape(name);
      groups.add(
          linear.containsKey(name)
              ? BitsAndBytesWeight.parts(name, turned(name, shape), request.quantisation(), dtype)
              : List.of(BitsAndBytesWeight.plain(name, shape, dtype)));
    }
    return groups;
  }

  /** (outputs, inputs). */
  private Shape turned(String name, Shape shape) {
    return linear.getOrDefault(name, false)
        ? Shape.of(shape.dimensions().get(1), shape.dimensions().get(0))
        : shape;
  }

  private BitsAndBytesWeight written(String name) {
    BitsAndBytesWeight found =
        linear.containsKey(name)
            ? quantised(name)
            : BitsAndBytesWeight.ofNumbers(name, checkpoint.floats(name), dtype);
    tell(name);
    return found;
  }

  private void tell(String name) {
    done += checkpoint.shape(name).elements();
    listener.wrote(name, done, total);
  }

  private BitsAndBytesWeight quantised(String name) {
    Shape shape = turned(name, checkpoint.shape(name));
    int outputs = Math.toIntExact(shape.dimensions().get(0));
    int columns = Math.toIntExact(shape.dimensions().get(1));
    float[] numbers = checkpoint.floats(name);
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = dtype.rounded(numbers[i]);
    }
    if (linear.getOrDefault(name, false)) {
      numbers = StoredWeight.transpose(numbers, columns, outputs);
    }
    Quantisation how = request.quantisation();
    Map<String, QuantisationError> errors = new LinkedHashMap<>();
    BitsAndBytesWeight found;
    if (how.storage() == Storage.INT8) {
      found = BitsAndBytesWeight.rows(name, numbers, columns);
      errors.put("LLM.int8", QuantisationError.of(numbers, found.comeOut()));
    } else {
      StoredBlocks stored = HeldNumbers.quantised(how, numbers, this::mean);
      found = BitsAndBytesWeight.blocks(name, shape, stored, dtype);
      errors.put(how.describe(), QuantisationError.of(numbers, found.comeOut()));
    }
    if (request.compare()) {
      compare(numbers, columns, how, errors);
    }
    layers.add(new Layer(name, shape, errors));
    return found;
  }

  private void compare(
      float[] numbers, int columns, Quantisation how, Map<String, QuantisationError> errors) {
    int block = how.blockSize();
    for (int bits : new int[] {8, 4}) {
      for (boolean zeroPoint : new boolean[] {false, true}) {
        for (Uniform.Share share : Uniform.Share.values()) {
          Uniform scheme = new Uniform(bits, zeroPoint, share, block);
          if (share != Uniform.Share.BLOCK || numbers.length % block == 0) {
            errors.put(
                scheme.describe(), QuantisationError.of(numbers, scheme.numbers(numbers, columns)));
          }
        }
      }
    }
    for (Storage storage : List.of(Storage.NF4, Storage.FP4)) {
      for (boolean doubled : new boolean[] {false, true}) {
        Quantisation other = new Quantisation(storage, block, doubled);
        if (!errors.containsKey(other.describe()) && numbers.length % block == 0) {
          StoredBlocks stored = HeldNumbers.quantised(other, numbers, this::mean);
          float[] out = new float[numbers.length];
          Blocks.numbers(FourBits.numbers(storage), block, stored.codes(), 0, stored.scales(), out);
          errors.put(other.describe(), QuantisationError.of(numbers, out));
        }
      }
    }
  }

  /** As torch adds up, whose mean bitsandbytes takes off. */
  private float mean(float[] numbers) {
    try (Handle all = Handle.of(numbers, numbers.length);
        Handle mean = convert.infer("mean", all)) {
      return mean.floats()[0];
    }
  }

  @Override
  public void close() {
    convert.close();
  }
}
