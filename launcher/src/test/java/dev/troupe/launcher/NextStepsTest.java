package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NextStepsTest {
  /** The quickstart's base has no chat template. */
  private static final String BASE =
      Path.of(System.getProperty("troupe.root")).resolve("configs/quickstart-base").toString();

  @TempDir Path run;

  @Test
  void adapter_isNamedWithItsBase_andAskedWhatTheRunAsked() throws IOException {
    Files.createDirectories(run.resolve("policy"));
    Files.createFile(run.resolve("policy/adapter_config.json"));
    assertThat(
            next(
                """
                {"stages": [{"stage": "reward", "trained": "reward"},
                  {"stage": "ppo", "trained": "policy",
                    "after": {"replies": [{"prompt": "Customer: it's?\\nClerk:", "reply": ""}]}}]}
                """))
        .containsExactly(
            "next",
            "  ask it",
            "    ./troupe generate BASE --adapter RUN/policy --prompt"
                + " $'Customer: it\\'s?\\nClerk:'",
            "  for other programs",
            "    ./troupe export BASE --adapter RUN/policy --output RUN/merged",
            "  charts and rollouts",
            "    ./troupe dashboard RUN");
  }

  /** Its directory is a model of its own, and the base of what is trained on it. */
  @Test
  void fullyTuned_isTheModel() throws IOException {
    assertThat(next("{\"stages\": [{\"stage\": \"sft\", \"trained\": \"sft\"}]}"))
        .contains("    ./troupe chat RUN/sft")
        .contains("    ./troupe export RUN/sft --output RUN/merged");
    Files.createDirectories(run.resolve("policy"));
    Files.createFile(run.resolve("policy/adapter_config.json"));
    assertThat(
            next(
                """
                {"stages": [{"stage": "sft", "trained": "sft"},
                  {"stage": "dpo", "trained": "policy"}]}
                """))
        .contains("    ./troupe chat RUN/sft --adapter RUN/policy");
  }

  @Test
  void rewardModelAlone_hasNothingToAsk() throws IOException {
    assertThat(next("{\"stages\": [{\"stage\": \"reward\", \"trained\": \"reward\"}]}"))
        .containsExactly("next", "  charts and rollouts", "    ./troupe dashboard RUN");
  }

  private List<String> next(String summary) throws IOException {
    StringWriter out = new StringWriter();
    NextSteps.print(
        new ObjectMapper().readTree(summary), Optional.of(BASE), run, new PrintWriter(out));
    return out.toString()
        .replace(Invocation.path(Path.of(BASE)), "BASE")
        .replace(run.toString(), "RUN")
        .lines()
        .filter(line -> !line.isBlank())
        .toList();
  }
}
