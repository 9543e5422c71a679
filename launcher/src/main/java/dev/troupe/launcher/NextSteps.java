package dev.troupe.launcher;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.models.tokenizer.TokenizerFiles;
import dev.troupe.rlhf.stage.Part;
import dev.troupe.rlhf.stage.Stages;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What a person can do with a complete run, as commands to paste. */
final class NextSteps {
  /** Longest prompt of a command line that a person still reads. */
  private static final int LONGEST_PROMPT = 200;

  private record Step(String what, String command) {}

  /** A policy: its base, or the whole of it where no adapter is named. */
  private record Policy(String model, Optional<Path> adapter) {}

  private NextSteps() {}

  /**
   * @param model that the run began with
   */
  static void print(JsonNode summary, Optional<String> model, Path directory, PrintWriter out) {
    List<Step> steps = new ArrayList<>();
    policy(summary, model, directory)
        .ifPresent(
            policy -> {
              steps.add(new Step("ask it", ask(summary, policy)));
              steps.add(
                  new Step(
                      "for other programs",
                      command(
                          "export",
                          policy,
                          List.of("--output", Invocation.path(directory.resolve("merged"))))));
            });
    steps.add(
        new Step("charts and rollouts", Invocation.line("dashboard", Invocation.path(directory))));
    out.println();
    out.println("next");
    for (Step step : steps) {
      out.println("  " + step.what + "\n    " + step.command);
    }
    out.flush();
  }

  /** What the stages left, the last that trained a policy; each says where in its summary. */
  private static Optional<Policy> policy(JsonNode summary, Optional<String> model, Path directory) {
    Optional<Policy> newest = Optional.empty();
    Optional<String> base = model;
    for (JsonNode stage : summary.path("stages")) {
      Path trained = directory.resolve(stage.path("trained").asText());
      boolean scores =
          Stages.named(stage.path("stage").asText())
              .filter(known -> known.gives() == Part.REWARD_MODEL)
              .isPresent();
      if (scores || !stage.has("trained")) {
        continue;
      }
      if (!Files.exists(trained.resolve("adapter_config.json"))) {
        base = Optional.of(Invocation.path(trained));
        newest = base.map(whole -> new Policy(whole, Optional.empty()));
      } else {
        newest = base.map(whole -> new Policy(whole, Optional.of(trained)));
      }
    }
    return newest;
  }

  /** A chat where the model has a template for it, else a prompt that the run has tried. */
  private static String ask(JsonNode summary, Policy policy) {
    if (!hasChatTemplate(policy)) {
      for (JsonNode stage : summary.path("stages")) {
        String prompt = stage.path("after").path("replies").path(0).path("prompt").asText();
        if (!prompt.isEmpty() && prompt.length() <= LONGEST_PROMPT) {
          return command("generate", policy, List.of("--prompt", prompt));
        }
      }
    }
    return command("chat", policy, List.of());
  }

  private static boolean hasChatTemplate(Policy policy) {
    try (Tokenizer tokenizer =
        Tokenizer.load(Path.of(policy.model()), TokenizerFiles.chatTemplate(policy.adapter()))) {
      return tokenizer.chatTemplate().isPresent();
    } catch (CheckpointException e) {
      // The command tells; a run that is complete does not fail for it.
      return true;
    }
  }

  private static String command(String name, Policy policy, List<String> options) {
    List<String> words = new ArrayList<>(List.of(name, policy.model()));
    policy
        .adapter()
        .ifPresent(adapter -> words.addAll(List.of("--adapter", Invocation.path(adapter))));
    words.addAll(options);
    return Invocation.line(words.toArray(String[]::new));
  }
}
