package dev.troupe.launcher;

import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.export.GgufExport;
import dev.troupe.models.export.HuggingFaceExport;
import dev.troupe.models.export.PeftExport;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code troupe export}: a model for other programs. */
@Command(
    name = "export",
    mixinStandardHelpOptions = true,
    description = "Writes a model for other programs, its adapter merged or by itself.",
    footer = {
      "",
      "hf    a Hugging Face checkpoint: the adapter is merged in fp32, then rounded to --dtype;",
      "      configuration, generation settings and tokenizer are the base's. A value or reward",
      "      head goes beside it: score.safetensors with the tensor score.weight.",
      "peft  the adapter by itself, head included, with the base's tokenizer.",
      "gguf  model.gguf for llama.cpp, the adapter merged: matrices in fp16 or q8_0."
    })
final class ExportCommand implements Callable<Integer> {
  /** What is written. */
  enum Format {
    HF,
    PEFT,
    GGUF;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** How numbers are stored, by the names people use. */
  enum Precision {
    FP32,
    BF16,
    FP16,
    Q8_0;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  @Spec private CommandSpec spec;
  @Mixin private ModelOptions model;

  @Option(
      names = "--output",
      paramLabel = "DIR",
      required = true,
      description = "directory to make; nothing is overwritten")
  private Path output;

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      description = "${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}")
  private Format format = Format.HF;

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      description = "of the weights: ${COMPLETION-CANDIDATES}; default fp32, of gguf fp16")
  private @Nullable Precision precision;

  @Option(
      names = "--max-shard-size",
      paramLabel = "SIZE",
      converter = ByteSize.Converter.class,
      description = "of hf: largest file, for example 500MB or 2GB; default ${DEFAULT-VALUE}")
  private ByteSize maxShardSize = new ByteSize(2_000_000_000);

  private DType dtype(DType otherwise) {
    if (precision == null) {
      return otherwise;
    }
    return switch (precision) {
      case FP32 -> DType.F32;
      case BF16 -> DType.BF16;
      case FP16 -> DType.F16;
      case Q8_0 ->
          throw new UserException("--dtype q8_0 goes with --format gguf; found --format " + format);
    };
  }

  private GgufExport.Matrices matrices() {
    if (precision == null || precision == Precision.FP16) {
      return GgufExport.Matrices.F16;
    }
    if (precision == Precision.Q8_0) {
      return GgufExport.Matrices.Q8_0;
    }
    throw new UserException("--format gguf writes fp16 or q8_0, not " + precision);
  }

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    Optional<Path> adapter = model.existingAdapter();
    ExportProgress progress = ExportProgress.onStandardOutput(out);
    boolean head =
        switch (format) {
          case HF ->
              HuggingFaceExport.write(
                  model.existing(),
                  adapter,
                  output,
                  dtype(DType.F32),
                  maxShardSize.bytes(),
                  progress);
          case GGUF -> GgufExport.write(model.existing(), adapter, output, matrices(), progress);
          case PEFT -> {
            PeftExport.write(
                model.existing(),
                adapter.orElseThrow(
                    () ->
                        new UserException(
                            "--format peft writes an adapter: name it with --adapter DIR")),
                output,
                dtype(DType.F32));
            yield false;
          }
        };
    progress.close();
    boolean merged = adapter.isPresent() && format != Format.PEFT;
    out.println("wrote " + output + (merged ? ", the adapter merged" : ""));
    if (head) {
      out.println(
          "the head is in "
              + output.resolve("score.safetensors")
              + ": the model itself is the language model alone");
    }
    out.flush();
    return ExitCode.OK;
  }
}
