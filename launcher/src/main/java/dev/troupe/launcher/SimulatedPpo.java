package dev.troupe.launcher;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * PPO that is measured on engines that wait in place of computing: its data and configuration.
 *
 * @param promptTokens all prompts are cut to so many
 * @param newTokens the longest answer
 */
record SimulatedPpo(int iterations, int prompts, int promptTokens, int newTokens) {
  private static final int HELD_OUT = 2;
  private static final int MINIBATCHES = 4;

  /**
   * Writes both into a directory.
   *
   * @param more lines of the configuration
   * @return the configuration's file
   */
  Path write(Path tokenizer, Path directory, String... more) throws IOException {
    Path prompted = directory.resolve("prompts.jsonl");
    Path pairs = directory.resolve("pairs.jsonl");
    Files.writeString(prompted, BenchTexts.prompts(prompts + HELD_OUT, promptTokens));
    Files.writeString(pairs, BenchTexts.pairs());
    return Files.writeString(
        directory.resolve("run.conf"),
        String.join(
                "\n",
                "output = " + BenchTexts.quoted(directory.resolve("run")),
                "model = " + BenchTexts.quoted(tokenizer.toAbsolutePath()),
                "seed = 1",
                "stages = [reward, ppo]",
                "data {",
                "  preferences = [{ path = " + BenchTexts.quoted(pairs) + " }]",
                "  prompts = [{ path = " + BenchTexts.quoted(prompted) + " }]",
                "  max-prompt-tokens = " + promptTokens,
                "  too-long = truncate",
                "}",
                "reward { batch-size = 4, held-out = 4, epochs = 1 }",
                "ppo {",
                "  iterations = " + iterations,
                "  prompts-per-iteration = " + prompts,
                "  ppo-epochs = 1",
                "  minibatches = " + MINIBATCHES,
                "  generation { max-new-tokens = " + newTokens + " }",
                "  evaluation { held-out = "
                    + HELD_OUT
                    + ", samples = 0, generation { max-new-tokens = 1 } }",
                "}",
                "checkpoints { every-steps = 0 }",
                "")
            + String.join("\n", more)
            + "\n");
  }
}
