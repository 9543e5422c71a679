package dev.troupe.launcher;

import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.export.HuggingFaceExport;
import dev.troupe.models.export.PeftExport;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
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
      "peft  the adapter by itself, head included, with the base's tokenizer."
    })
final class ExportCommand implements Callable<Integer> {
  /** What is written. */
  enum Format {
    HF,
    PEFT;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** How numbers are stored, by the names people use. */
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
      description = "of the weights: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}")
  private Precision precision = Precision.FP32;

  @Option(
      names = "--max-shard-size",
      paramLabel = "SIZE",
      converter = ByteSize.Converter.class,
      description = "of hf: largest file, for example 500MB or 2GB; default ${DEFAULT-VALUE}")
  private ByteSize maxShardSize = new ByteSize(2_000_000_000);

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    Optional<Path> adapter = model.existingAdapter();
    switch (format) {
      case HF -> {
        ExportProgress progress = ExportProgress.onStandardOutput(out);
        boolean head =
            HuggingFaceExport.write(
                model.existing(), adapter, output, precision.dtype, maxShardSize.bytes(), progress);
        progress.close();
        out.println(
            "wrote "
                + output
                + (adapter.isPresent() ? ", the adapter merged" : "")
                + " ("
                + precision
                + ")");
        if (head) {
          out.println(
              "the head is in "
                  + output.resolve("score.safetensors")
                  + ": the checkpoint itself is the language model alone");
        }
      }
      case PEFT -> {
        PeftExport.write(
            model.existing(),
            adapter.orElseThrow(
                () ->
                    new UserException(
                        "--format peft writes an adapter: name it with --adapter DIR")),
            output,
            precision.dtype);
        out.println("wrote " + output + " (" + precision + ")");
      }
    }
    out.flush();
    return ExitCode.OK;
  }
}
