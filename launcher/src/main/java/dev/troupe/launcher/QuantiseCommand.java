package dev.troupe.launcher;

import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.ModelPath;
import dev.troupe.models.export.QuantisedExport;
import dev.troupe.models.export.QuantisedExport.Layer;
import dev.troupe.models.quantisation.QuantisationError;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Storage;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code troupe quantise}: a model in four or eight bits, and what that costs it. */
@Command(
    name = "quantise",
    mixinStandardHelpOptions = true,
    description = "Writes a model in four or eight bits and tells what each layer loses.",
    footer = {
      "",
      "nf4, fp4  blocks of --block-size numbers, each with a scale (QLoRA); as bitsandbytes and",
      "          transformers load them (load_in_4bit)",
      "int8      a scale for each row (LLM.int8; load_in_8bit)",
      "",
      "Embedding, output matrix, norms and biases stay as they are. engine.base takes such a",
      "checkpoint over block by block (docs/qlora.md). Without OUTPUT nothing is written."
    })
final class QuantiseCommand implements Callable<Integer> {
  /** What weights are written as. */
  enum Kind {
    NF4(Storage.NF4),
    FP4(Storage.FP4),
    INT8(Storage.INT8);

    private final Storage storage;

    Kind(Storage storage) {
      this.storage = storage;
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** Types of what is not quantised. */
  enum Precision {
    FP32(DType.F32),
    BF16(DType.BF16),
    FP16(DType.F16);

    private final DType dtype;

    Precision(DType dtype) {
      this.dtype = dtype;
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  @Spec private CommandSpec spec;

  @Parameters(
      index = "0",
      paramLabel = "MODEL",
      description =
          "directory of a checkpoint in Hugging Face layout (docs/families.md), or a .gguf file")
  private Path model = Path.of("");

  @Parameters(
      index = "1",
      arity = "0..1",
      paramLabel = "OUTPUT",
      description = "directory to make; nothing is overwritten")
  private @Nullable Path output;

  @Option(
      names = "--storage",
      paramLabel = "KIND",
      description = "${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}")
  private Kind kind = Kind.NF4;

  @Option(
      names = "--block-size",
      paramLabel = "N",
      description =
          "of nf4 and fp4: numbers that share a scale, a power of two from 32 to 4096; default"
              + " ${DEFAULT-VALUE}")
  private int blockSize = 64;

  @Option(
      names = "--double-quantisation",
      negatable = true,
      fallbackValue = "true",
      description = "of nf4 and fp4: scales in eight bits too; default ${DEFAULT-VALUE}")
  private boolean doubled = true;

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      description =
          "of all else, and of the numbers that are quantised: ${COMPLETION-CANDIDATES}; default the"
              + " checkpoint's")
  private @Nullable Precision precision;

  @Option(
      names = "--max-shard-size",
      paramLabel = "SIZE",
      converter = ByteSize.Converter.class,
      description = "largest file, for example 500MB or 2GB; default ${DEFAULT-VALUE}")
  private ByteSize maxShardSize = new ByteSize(5_000_000_000L);

  @Option(
      names = "--compare",
      description =
          "tell what other schemes would lose: absmax and zero point, 8 and 4 bits, per tensor,"
              + " channel and block")
  private boolean compare;

  @Option(names = "--json", paramLabel = "FILE", description = "write the errors as JSON too")
  private @Nullable Path json;

  @Override
  public Integer call() {
    if (!Quantisation.isBlock(blockSize)) {
      throw new UserException(
          "--block-size "
              + blockSize
              + " is no block; expected a power of two from "
              + Quantisation.LEAST_BLOCK
              + " to "
              + Quantisation.LARGEST_BLOCK);
    }
    ModelPath.requireExisting(model);
    PrintWriter out = spec.commandLine().getOut();
    QuantisedExport.Request request =
        new QuantisedExport.Request(
            new Quantisation(kind.storage, blockSize, doubled),
            Optional.ofNullable(precision).map(given -> given.dtype),
            maxShardSize.bytes(),
            compare);
    ExportProgress progress = ExportProgress.onStandardOutput(out);
    List<Layer> layers =
        output == null
            ? QuantisedExport.measure(model, request, progress)
            : QuantisedExport.write(model, output, request, progress);
    progress.close();
    report(layers).forEach(out::println);
    if (json != null) {
      writeJson(json, layers);
    }
    if (output != null) {
      out.println("wrote " + output + " in " + layers.get(0).errors().keySet().iterator().next());
    }
    out.flush();
    return ExitCode.OK;
  }

  /** Of each layer what is written loses; of every scheme the mean and the worst layer. */
  private static List<String> report(List<Layer> layers) {
    List<String> lines = new ArrayList<>();
    int width = layers.stream().mapToInt(layer -> layer.tensor().length()).max().orElse(0);
    String row = "  %-" + width + "s %14s  %9s  %9s";
    lines.add("error of " + layers.get(0).errors().keySet().iterator().next() + ", by layer");
    lines.add(String.format(Locale.ROOT, row, "weight", "shape", "relative", "largest"));
    for (Layer layer : layers) {
      QuantisationError error = layer.errors().values().iterator().next();
      lines.add(
          String.format(
              Locale.ROOT,
              row,
              layer.tensor(),
              layer.shape(),
              String.format(Locale.ROOT, "%.5f", error.relative()),
              String.format(Locale.ROOT, "%.3g", error.largest())));
    }
    Map<String, List<Double>> schemes = new LinkedHashMap<>();
    for (Layer layer : layers) {
      layer
          .errors()
          .forEach(
              (scheme, error) ->
                  schemes.computeIfAbsent(scheme, key -> new ArrayList<>()).add(error.relative()));
    }
    lines.add("relative error by scheme, over the layers");
    lines.add(String.format(Locale.ROOT, "  %-46s  %9s  %9s", "scheme", "mean", "worst"));
    schemes.forEach(
        (scheme, errors) ->
            lines.add(
                String.format(
                    Locale.ROOT,
                    "  %-46s  %9.5f  %9.5f",
                    scheme,
                    errors.stream().mapToDouble(Double::doubleValue).average().orElse(0),
                    errors.stream().mapToDouble(Double::doubleValue).max().orElse(0))));
    return lines;
  }

  private static void writeJson(Path file, List<Layer> layers) {
    List<Map<String, Object>> rows = new ArrayList<>();
    for (Layer layer : layers) {
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("tensor", layer.tensor());
      row.put("shape", layer.shape().dimensions());
      Map<String, Object> errors = new LinkedHashMap<>();
      layer
          .errors()
          .forEach(
              (scheme, error) ->
                  errors.put(
                      scheme, Map.of("relative", error.relative(), "largest", error.largest())));
      row.put("errors", errors);
      rows.add(row);
    }
    try {
      OutputJson.mapper().writeValue(file.toFile(), Map.of("layers", rows));
    } catch (IOException e) {
      throw new UserException("--json " + file + " cannot be written: " + e.getMessage(), e);
    }
  }
}
