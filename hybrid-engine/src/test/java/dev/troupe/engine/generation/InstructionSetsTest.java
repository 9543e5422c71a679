package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.troupe.engine.HybridEngines;
import dev.troupe.models.torch.Lanes;
import dev.troupe.models.torch.NativeLibrary;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.Tuning;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What this processor would not choose: a JVM decides once, so each case has one of its own. The
 * variables of the environment make both sides do as on another processor.
 */
class InstructionSetsTest {
  /** With windows, norms of heads, ALiBi, soft caps, layer norms, and a head of its own. */
  private static final List<String> FAMILIES =
      List.of("gemma3", "qwen3", "bloom", "gemma2", "opt", "phi3");

  @TempDir private Path directory;

  private record Ended(int code, String output) {}

  @ParameterizedTest
  @CsvSource({"avx512-vnni, ALL", "avx2, AVX2", "plain, DEFAULT"})
  void kernelsOfOtherProcessors_giveWhatTorchGives(String instructions, String torchs)
      throws IOException, InterruptedException {
    LibraryHere.assumeLoaded();
    String here = LibraryHere.loaded().instructions();
    assumeTrue(
        switch (instructions) {
          case "avx512-vnni" -> here.equals("avx512-bf16");
          case "avx2" -> here.startsWith("avx512");
          default -> true;
        });
    Ended ended =
        run(
            Decoding.class,
            Map.of("TROUPE_INSTRUCTIONS", instructions, "ONEDNN_MAX_CPU_ISA", torchs));
    assertThat(ended.code()).as(ended.output()).isZero();
    assertThat(ended.output()).contains("checked Loaded[instructions=" + instructions);
  }

  /** All that the other tests check of the library, on fewer families. */
  static final class Decoding {
    public static void main(String[] none) {
      FAMILIES.forEach(NativeFamilyTest::check);
      NativeOperatorsTest.checkNorm();
      NativeOperatorsTest.checkActivation();
      boolean shares;
      try (Lanes lanes = new Lanes(1)) {
        shares =
            lanes.run(
                () -> {
                  if (LibraryHere.sharesSteps()) {
                    Int8LinearTest.checkBits();
                  }
                  return LibraryHere.sharesSteps();
                });
      }
      System.out.println("checked " + LibraryHere.loaded() + ", in torch's steps: " + shares);
    }
  }

  @Test
  void open_roleThatIsToSampleByALibraryThatIsNotThere_isRefused()
      throws IOException, InterruptedException {
    Ended ended = run(Opening.class, Map.of(), "-D" + NativeLibrary.DIRECTORY + "=" + directory);
    assertThat(ended.code()).as(ended.output()).isZero();
    assertThat(ended.output())
        .contains("LANGUAGE_MODEL NATIVE: engine.kernels (--kernels) is native, but Troupe's")
        .contains("(library.properties is missing; native/build.sh builds one). Let it be auto")
        .contains("LANGUAGE_MODEL AUTO: opened");
  }

  /** Opens roles and says what came of it. */
  static final class Opening {
    public static void main(String[] none) {
      Path model =
          Path.of(
              System.getProperty("troupe.root"), "models/src/test/resources/golden/families/qwen3");
      for (Numerics.Kernels kernels : List.of(Numerics.Kernels.NATIVE, Numerics.Kernels.AUTO)) {
        RoleSpec spec =
            new RoleSpec(
                "policy",
                model.toString(),
                Optional.empty(),
                new Tuning.Frozen(),
                Head.LANGUAGE_MODEL,
                Optional.empty(),
                1,
                Optional.empty(),
                1,
                new Numerics(Storage.FP32, Storage.INT8, kernels));
        try (HybridEngines engines = new HybridEngines()) {
          engines.open(spec).close();
          System.out.println("LANGUAGE_MODEL " + kernels + ": opened");
        } catch (GenerationException e) {
          System.out.println("LANGUAGE_MODEL " + kernels + ": " + e.getMessage());
        }
      }
    }
  }

  private Ended run(Class<?> main, Map<String, String> environment, String... options)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-XX:TieredStopAtLevel=1");
    command.add("-Dtroupe.root=" + System.getProperty("troupe.root"));
    command.addAll(List.of(options));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    ProcessBuilder builder =
        new ProcessBuilder(command).directory(directory.toFile()).redirectErrorStream(true);
    builder.environment().putAll(environment);
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Ended(process.waitFor(), output);
  }
}
