package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.troupe.engine.generation.TinyModel.Tuned;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Numerics.Kernels;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * That the library is worth its keep: a lane's processor time for the same answers, the least of
 * several short rounds in turn, which other work on the machine lengthens little.
 */
final class NativeSpeedTest {
  private static final double AT_LEAST = 1.5;
  private static final int ROUNDS = 3;
  private static final int PROMPTS = 16;
  private static final SamplingSettings SETTINGS = new SamplingSettings(16, 1, 0, 1, List.of(), 3);
  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  @TempDir private Path directory;

  @Test
  void generate_inInt8_byTheLibrary_takesAtMostTwoThirdsOfTorchsProcessorTime() {
    LibraryHere.assumeLoaded();
    assumeTrue(
        LibraryHere.loaded().instructions().startsWith("avx512"),
        "the speed is promised with AVX-512 VNNI");
    ModelConfig config = TinyModel.config(4096, 384, 1024, 6, 6, 2, 64, 128, true);
    ParameterLayout layout = ParameterLayout.bare(config, false);
    try (TinyModel words = new TinyModel(directory, Tuned.BARE);
        BaseModel base = BaseModel.random(config, 1);
        Lanes lane = new Lanes(1);
        Handle parameters = Handle.of(new float[0], 0);
        Generator own = generator(words, base, layout, lane, Kernels.NATIVE);
        Generator torch = generator(words, base, layout, lane, Kernels.TORCH)) {
      own.flip(parameters, 0);
      torch.flip(parameters, 0);
      double least = Double.MAX_VALUE;
      double leastOfTorch = Double.MAX_VALUE;
      for (int round = 0; round <= ROUNDS; round++) {
        double ofTorch = seconds(torch, lane);
        double ofOwn = seconds(own, lane);
        // The first warms up.
        if (round > 0) {
          leastOfTorch = Math.min(leastOfTorch, ofTorch);
          least = Math.min(least, ofOwn);
        }
      }
      System.out.printf(Locale.ROOT, "native %.2f times as fast as torch%n", leastOfTorch / least);
      assertThat(leastOfTorch / least)
          .as("torch %s s, native %s s of processor time", leastOfTorch, least)
          .isGreaterThan(AT_LEAST);
    }
  }

  private static Generator generator(
      TinyModel words, BaseModel base, ParameterLayout layout, Lanes lane, Kernels kernels) {
    return new Generator(
        base,
        words.tokenizer,
        layout,
        lane,
        new Generator.Options(Storage.INT8, 256L << 20, true).by(kernels));
  }

  private static double seconds(Generator generator, Lanes lane) {
    Random random = new Random(5);
    List<Prompt> prompts =
        IntStream.range(0, PROMPTS)
            .mapToObj(i -> new Prompt("p" + i, "", new TokenIds(random.ints(4, 3, 300).toArray())))
            .toList();
    long before = lane.run(THREADS::getCurrentThreadCpuTime);
    generator.generate(0, prompts, SETTINGS);
    return (lane.run(THREADS::getCurrentThreadCpuTime) - before) / 1e9;
  }
}
