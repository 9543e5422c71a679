package dev.troupe.actors.pipeline;

import static dev.troupe.actors.pipeline.RunForecast.Purpose.RESUME;
import static dev.troupe.actors.pipeline.RunForecast.Purpose.START;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.rlhf.stage.Stage;
import dev.troupe.rlhf.stage.Stages;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which runs may begin or go on where: all states that a directory can be in. */
class RunDirectoryTest {
  private static final Stage<?> PRETRAIN = Stages.named("pretrain").orElseThrow();
  private static final Stage<?> SFT = Stages.named("sft").orElseThrow();
  private static final Stage<?> REWARD = Stages.named("reward").orElseThrow();
  private static final Stage<?> PPO = Stages.named("ppo").orElseThrow();
  private static final Stage<?> DPO = Stages.named("dpo").orElseThrow();
  private static final List<Stage<?>> ORDER = List.of(SFT, REWARD, PPO, DPO);

  /** Keys and inputs, and by hand the stages that depend on each. */
  private static final Map<String, Set<Stage<?>>> DEPENDENTS =
      Map.ofEntries(
          Map.entry("seed", Set.of(SFT, REWARD, PPO, DPO)),
          Map.entry("model", Set.of(SFT, REWARD, PPO, DPO)),
          Map.entry("engine.precision", Set.of(SFT, REWARD, PPO, DPO)),
          Map.entry("engine.rollout-weights", Set.of(PPO, DPO)),
          Map.entry("some.key-of-tomorrow", Set.of(SFT, REWARD, PPO, DPO)),
          Map.entry("data.max-tokens", Set.of(SFT, REWARD, PPO, DPO)),
          Map.entry("data.max-records", Set.of()),
          Map.entry("data.max-megabytes", Set.of()),
          Map.entry("data.sft", Set.of(SFT)),
          Map.entry("data.preferences", Set.of(REWARD, DPO)),
          Map.entry("data.prompts", Set.of(PPO, DPO)),
          Map.entry("data.pretraining", Set.of(PPO)),
          Map.entry("quickstart.seed", Set.of(SFT, REWARD, PPO, DPO)),
          Map.entry("quickstart.answered", Set.of(SFT)),
          Map.entry("sft.epochs", Set.of(SFT)),
          Map.entry("reward.optimizer.learning-rate", Set.of(REWARD)),
          Map.entry("ppo.generation.max-new-tokens", Set.of(PPO)),
          Map.entry("dpo.beta", Set.of(DPO)),
          Map.entry("pretrain.training.epochs", Set.of()));

  @TempDir private Path path;

  @Test
  void start_inAFreePlace_keepsTheConfiguration() throws Exception {
    assertThat(RunState.of(path.resolve("new")).refusal(START)).isEmpty();
    assertThat(RunState.of(path).refusal(START)).isEmpty();
    new RunDirectory(path).begin("seed = 1\n", identity("seed", "1"));
    assertThat(path.resolve("config.conf")).hasContent("seed = 1\n");
    assertThat(RunState.of(path).kind()).isEqualTo(RunState.Kind.RUN);
  }

  @Test
  void start_whereNothingWasTrained_isNoOtherRun() throws Exception {
    new RunDirectory(path).begin("seed = 1\n", identity("seed", "1"));
    // All that a run leaves that fails in its first steps.
    for (String name : List.of("events.pb", "metrics.jsonl", "samples.jsonl")) {
      Files.writeString(path.resolve(name), "");
    }
    Files.writeString(path.resolve("summary.json"), "{\"outcome\": \"failed\"}");
    Files.createDirectories(path.resolve("checkpoints/sft/.writing"));
    Files.createDirectories(path.resolve("sft"));
    Files.createDirectories(path.resolve("fresh"));
    RunState state = RunState.of(path);
    assertThat(state.holdsTraining()).isFalse();
    assertThat(state.refusal(START)).isEmpty();
    assertThat(state.refusal(RESUME)).isEmpty();
    new RunDirectory(path).begin("seed = 2\n", identity("seed", "2"));
    assertThat(path.resolve("config.conf")).hasContent("seed = 2\n");
    assertThat(path.resolve("fresh")).as("a new model of another shape").doesNotExist();
  }

  @Test
  void start_whereARunBrokeOffAtOnce_isFree() throws Exception {
    Files.writeString(path.resolve("events.pb"), "");
    Files.writeString(path.resolve(".events.pb.lock"), "");
    Files.writeString(path.resolve("identity.json.writing"), "{");
    assertThat(RunState.of(path).refusal(START)).isEmpty();
  }

  @Test
  void start_inAnotherRun_isRefused() throws Exception {
    new RunDirectory(path).begin("", identity("seed", "1"));
    done(SFT);
    checkpoint(REWARD, 20);
    assertThat(RunState.of(path).refusal(START))
        .contains(
            "the output directory "
                + path
                + " holds another run (sft is done, reward has come to step 20); go on with that"
                + " one (--resume), name another one (--set output=DIR) or remove it");
    done(REWARD);
    Files.writeString(path.resolve("summary.json"), "{\"outcome\": \"completed\"}");
    assertThat(RunState.of(path).refusal(START))
        .contains(
            "the output directory "
                + path
                + " holds a complete run; name another one (--set output=DIR) or remove it");
  }

  @Test
  void amongOtherFiles_isRefused() throws Exception {
    Files.writeString(path.resolve("thesis.txt"), "dear to somebody");
    assertThat(RunState.of(path).refusal(START).orElse(""))
        .contains("is not empty; name another one");
    Path file = path.resolve("thesis.txt");
    assertThat(RunState.of(file).refusal(START))
        .contains(file + " is a file; name a directory for output");
    // The user's own, perhaps.
    Files.move(file, path.resolve("config.conf"));
    assertThat(RunState.of(path).refusal(START).orElse("")).contains("is not empty");
  }

  @Test
  void resume_whereThereIsNoRun_isRefused() throws Exception {
    String message = " to resume; leave --resume out to start one";
    assertThat(RunState.of(path.resolve("none")).refusal(RESUME).orElse("")).endsWith(message);
    assertThat(RunState.of(path).refusal(RESUME).orElse("")).endsWith(message);
    Files.writeString(path.resolve("thesis.txt"), "");
    assertThat(RunState.of(path).refusal(RESUME).orElse("")).endsWith(message);
  }

  /** Every point at which a run can end, every kind of change. */
  @Test
  void resume_isRefusedForWhatWasDependedOn_andForNothingElse() throws Exception {
    int refused = 0;
    int taken = 0;
    for (int finished = 0; finished <= ORDER.size(); finished++) {
      for (boolean begun : new boolean[] {false, true}) {
        if (begun && finished == ORDER.size()) {
          continue;
        }
        Path run = Files.createDirectory(path.resolve(finished + "-" + begun));
        List<Stage<?>> touched = new ArrayList<>(ORDER.subList(0, finished + (begun ? 1 : 0)));
        for (Stage<?> stage : ORDER.subList(0, finished)) {
          done(run, stage);
        }
        if (begun) {
          checkpoint(run, ORDER.get(finished), 3);
        }
        RunState state = RunState.of(runAt(run));
        for (Map.Entry<String, Set<Stage<?>>> key : DEPENDENTS.entrySet()) {
          boolean depended = touched.stream().anyMatch(key.getValue()::contains);
          for (boolean input : new boolean[] {false, true}) {
            List<String> differences =
                input
                    ? inputs(key.getKey() + " a b.jsonl", "1")
                        .differences(inputs(key.getKey() + " a b.jsonl", "2"), state, ORDER)
                    : identity(key.getKey(), "1")
                        .differences(identity(key.getKey(), "2"), state, ORDER);
            if (depended) {
              String first =
                  touched.stream().filter(key.getValue()::contains).findFirst().get().name();
              assertThat(differences)
                  .as("%s after %s", key.getKey(), touched)
                  .singleElement(org.assertj.core.api.InstanceOfAssertFactories.STRING)
                  .startsWith(
                      (input ? "the input a b.jsonl" : key.getKey())
                          + " was 1, is 2 (stage "
                          + first)
                  .contains("depends on it");
              refused++;
            } else {
              assertThat(differences).as("%s after %s", key.getKey(), touched).isEmpty();
              taken++;
            }
          }
        }
      }
    }
    assertThat(refused).isEqualTo(204);
    assertThat(taken).isEqualTo(138);
  }

  @Test
  void resume_stagesToCome_mayChange() throws Exception {
    RunIdentity then = identity("stages", "[sft, reward, ppo]");
    RunIdentity now = identity("stages", "other");
    done(SFT);
    checkpoint(REWARD, 3);
    RunState state = RunState.of(runAt(path));
    assertThat(then.differences(now, state, List.of(SFT, REWARD, PPO, DPO))).isEmpty();
    assertThat(then.differences(now, state, List.of(SFT, REWARD))).isEmpty();
    assertThat(then.differences(now, state, List.of(REWARD, SFT))).isEmpty();
    for (List<Stage<?>> other :
        List.<List<Stage<?>>>of(
            List.of(SFT), List.of(SFT, DPO), List.of(PRETRAIN, SFT, REWARD), List.of(PPO))) {
      assertThat(then.differences(now, state, other))
          .containsExactly(
              "stages was [sft, reward, ppo], is other (sft is done, reward has come to step 3:"
                  + " these must come first)");
    }
  }

  @Test
  void resume_noSuchInputThen_isNoDifference() throws Exception {
    done(SFT);
    RunState state = RunState.of(runAt(path));
    assertThat(identity("seed", "1").differences(identity("seed", "1"), state, ORDER)).isEmpty();
    assertThat(
            new RunIdentity(Map.of(), Map.of())
                .differences(inputs("data.sft d.jsonl", "2"), state, ORDER))
        .isEmpty();
    assertThat(
            inputs("data.sft d.jsonl", "1")
                .differences(new RunIdentity(Map.of(), Map.of()), state, ORDER))
        .containsExactly(
            "the input d.jsonl was 1, is not there (stage sft, which is done, depends on it)");
    // As earlier versions wrote it, without the key.
    assertThat(inputs("d.jsonl", "1").differences(inputs("d.jsonl", "2"), state, ORDER)).hasSize(1);
  }

  @Test
  void goOn_saysAllThatDiffers_andHowToGoOn() throws Exception {
    RunDirectory directory = new RunDirectory(path);
    directory.begin("", identity("sft.epochs", "1"));
    checkpoint(SFT, 3);
    assertThatThrownBy(
            () -> directory.goOn("", identity("sft.epochs", "2"), RunState.of(path), ORDER))
        .isInstanceOf(PipelineException.class)
        .hasMessage(
            "the run in "
                + path
                + " cannot go on, since what it trained depended on something that has changed:\n"
                + "  sft.epochs was 1, is 2 (stage sft, which has begun, depends on it; remove "
                + path.resolve("checkpoints/sft")
                + " to have it begin anew)\n"
                + "Resume it as it was started ("
                + path.resolve("config.conf")
                + " is its configuration), or start a new run in another directory (--set"
                + " output=DIR); stages that have not begun may change");
    // A change for a stage to come is what the next resume is held to.
    Map<String, String> both = new HashMap<>(Map.of("sft.epochs", "1", "ppo.iterations", "9"));
    directory.goOn("ppo.iterations = 9", new RunIdentity(both, Map.of()), RunState.of(path), ORDER);
    assertThat(RunIdentity.read(path.resolve("identity.json")).keys()).isEqualTo(both);
    assertThat(path.resolve("config.conf")).hasContent("ppo.iterations = 9");
  }

  private static RunIdentity identity(String key, String value) {
    return new RunIdentity(Map.of(key, value), Map.of());
  }

  private static RunIdentity inputs(String input, String digest) {
    return new RunIdentity(Map.of(), Map.of(input, digest));
  }

  private static Path runAt(Path run) throws IOException {
    if (!Files.exists(run.resolve("identity.json"))) {
      new RunDirectory(run).begin("", new RunIdentity(Map.of(), Map.of()));
    }
    return run;
  }

  private void done(Stage<?> stage) throws IOException {
    done(path, stage);
  }

  private static void done(Path run, Stage<?> stage) throws IOException {
    Path directory = Files.createDirectories(run.resolve("checkpoints").resolve(stage.name()));
    Files.writeString(directory.resolve("done.json"), "{}");
  }

  private void checkpoint(Stage<?> stage, long step) throws IOException {
    checkpoint(path, stage, step);
  }

  private static void checkpoint(Path run, Stage<?> stage, long step) throws IOException {
    String name = String.format(java.util.Locale.ROOT, "%08d", step);
    Files.createDirectories(run.resolve("checkpoints").resolve(stage.name()).resolve(name));
  }
}
