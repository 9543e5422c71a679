package dev.troupe.actors.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.actors.role.Fence;
import dev.troupe.actors.role.RunFilesException;
import dev.troupe.rlhf.port.Checkpoints.Saved;
import dev.troupe.rlhf.recipe.Account;
import dev.troupe.rlhf.recipe.Best;
import dev.troupe.rlhf.recipe.Evaluation;
import dev.troupe.rlhf.recipe.Learning;
import dev.troupe.rlhf.recipe.PreferenceRecipe;
import dev.troupe.rlhf.recipe.Progress;
import dev.troupe.rlhf.recipe.Proportion;
import dev.troupe.rlhf.recipe.SftRecipe;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunCheckpointsTest {
  @TempDir private Path run;
  private RunCheckpoints checkpoints;

  @BeforeEach
  void open() {
    checkpoints = reopened();
  }

  private RunCheckpoints reopened() {
    return new RunCheckpoints(run, new PipelineConfig.Checkpointing(5, 2));
  }

  private static SftRecipe.State state(long step) {
    Learning.Updates updates =
        new Learning.Updates(
            4, 3, 4, 1, 1, 5, true, List.of(new Learning.Skip(5, "loss NaN", true, "")));
    return new SftRecipe.State(
        new Progress(
            step,
            new Account(9, 7, Map.of("too long", 2L)),
            new Learning(Map.of("policy", updates)),
            Optional.of(new Best("heldOutLoss", 5, 1.0 / 3)),
            1,
            Optional.empty()),
        Optional.of(0.1 + step),
        Optional.of(2.5),
        10 * step);
  }

  private Path write(long step) throws IOException {
    return write(step, Set.of());
  }

  private Path write(long step, Set<Long> needed) throws IOException {
    Path directory = Path.of(checkpoints.begin("sft", step));
    Files.createDirectories(directory.resolve("policy"));
    Files.writeString(directory.resolve("policy/weights"), "weights of " + step);
    checkpoints.commit("sft", step, state(step), needed);
    return run.resolve(String.format(Locale.ROOT, "checkpoints/sft/%08d", step));
  }

  @Test
  void driverThatWasReplaced_publishesNothing_andIsInNobodysWay() throws IOException {
    PipelineConfig.Checkpointing often = new PipelineConfig.Checkpointing(1, 2);
    RunCheckpoints first = new RunCheckpoints(run, often, Fence.take(run, "one"));
    Path of = Path.of(first.begin("sft", 1));
    Files.writeString(of.resolve("weights"), "half of them");
    checkpoints = new RunCheckpoints(run, often, Fence.take(run, "another"));
    Path its = write(1);
    String published = Files.readString(its.resolve("manifest.json"));
    Files.createDirectories(of);
    Files.writeString(of.resolve("weights"), "all");
    assertThatThrownBy(() -> first.commit("sft", 1, state(1), Set.of()))
        .isInstanceOf(RunFilesException.class)
        .hasMessageContaining("driver 2 (another) has taken the run over");
    assertThatThrownBy(() -> first.begin("sft", 2)).isInstanceOf(RunFilesException.class);
    assertThatThrownBy(() -> first.discard("sft", 0)).isInstanceOf(RunFilesException.class);
    assertThat(its.resolve("manifest.json")).hasContent(published);
    write(2);
    assertThat(of).doesNotExist();
  }

  @Test
  void due_everySoManySteps_andAtAStop() {
    assertThat(checkpoints.due("sft", 4, false)).isFalse();
    assertThat(checkpoints.due("sft", 5, false)).isTrue();
    assertThat(checkpoints.due("sft", 6, true)).isTrue();
    RunCheckpoints never = new RunCheckpoints(run, new PipelineConfig.Checkpointing(0, 1));
    assertThat(never.due("sft", 5, false)).isFalse();
    assertThat(never.due("sft", 5, true)).isTrue();
  }

  @Test
  void latest_isTheNewestCommitted_withItsStateToTheLastBit() throws IOException {
    write(5);
    Path newest = write(10);
    Path begun = Path.of(checkpoints.begin("sft", 15));
    Files.writeString(begun.resolve("half"), "");
    Optional<Saved<SftRecipe.State>> saved = reopened().latest("sft", SftRecipe.State.class);
    assertThat(saved).contains(new Saved<>(newest.toString(), state(10)));
    assertThat(reopened().step("sft")).isEqualTo(10);
    assertThat(newest.resolve("policy/weights")).hasContent("weights of 10");
    assertThat(reopened().latest("ppo", SftRecipe.State.class)).isEmpty();
    assertThat(reopened().step("ppo")).isZero();
  }

  @Test
  void commit_keepsTheNewest() throws IOException {
    for (long step = 5; step <= 20; step += 5) {
      write(step);
    }
    try (Stream<Path> kept = Files.list(run.resolve("checkpoints/sft"))) {
      assertThat(kept.map(path -> path.getFileName().toString()))
          .containsExactlyInAnyOrder("00000015", "00000020");
    }
  }

  private List<String> kept() throws IOException {
    try (Stream<Path> all = Files.list(run.resolve("checkpoints/sft"))) {
      return all.map(path -> path.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void commit_keepsWhatTheNewestReferTo() throws IOException {
    write(5, Set.of(5L));
    write(10, Set.of(5L));
    write(15, Set.of(5L));
    assertThat(kept()).containsExactly("00000005", "00000010", "00000015");
    write(20, Set.of(20L));
    assertThat(kept()).containsExactly("00000005", "00000015", "00000020");
    write(25, Set.of(20L));
    assertThat(kept()).containsExactly("00000020", "00000025");
  }

  @Test
  void directory_isChecked_andGoneOnesAreTold() throws IOException {
    Path checkpoint = write(5);
    assertThat(checkpoints.directory("sft", 5)).isEqualTo(checkpoint.toString());
    Files.writeString(checkpoint.resolve("policy/weights"), "Weights of 5");
    assertThatThrownBy(() -> checkpoints.directory("sft", 5))
        .hasMessageContaining("policy/weights has other bytes than were written");
    assertThatThrownBy(() -> checkpoints.directory("sft", 10))
        .isInstanceOf(PipelineException.class)
        .hasMessageContaining("is gone, and a later one refers to it");
  }

  @Test
  void discard_removesThatStepAndLaterOnes() throws IOException {
    write(5);
    write(10);
    assertThat(checkpoints.newestBefore("sft", 10)).hasValue(5);
    assertThat(checkpoints.newestBefore("sft", 5)).isEmpty();
    checkpoints.discard("sft", 10);
    assertThat(kept()).containsExactly("00000005");
    assertThat(checkpoints.newest("sft")).hasValue(5);
    checkpoints.discard("sft", 0);
    assertThat(checkpoints.newest("sft")).isEmpty();
  }

  @Test
  void commit_nothingWritten_asksForASharedFileSystem() {
    checkpoints.begin("sft", 5);
    assertThatThrownBy(() -> checkpoints.commit("sft", 5, state(5), Set.of()))
        .isInstanceOf(PipelineException.class)
        .hasMessageContaining("are not to be seen in")
        .hasMessageContaining("on a file system that all nodes share");
    assertThat(reopened().step("sft")).isZero();
  }

  @Test
  void latest_changedByte_isRefused_andTheOneBeforeIsNamed() throws IOException {
    write(5);
    Path newest = write(10);
    Files.writeString(newest.resolve("policy/weights"), "Weights of 10");
    assertThatThrownBy(() -> reopened().latest("sft", SftRecipe.State.class))
        .isInstanceOf(PipelineException.class)
        .hasMessage(
            "the checkpoint "
                + newest
                + " is damaged: policy/weights has other bytes than were written. Remove that"
                + " directory to resume from step 5");
  }

  @Test
  void latest_truncatedOnlyOne_isRefused() throws IOException {
    Path only = write(5);
    Files.writeString(only.resolve("policy/weights"), "weights");
    assertThatThrownBy(() -> reopened().latest("sft", SftRecipe.State.class))
        .hasMessageContaining("policy/weights has 7 bytes, expected 12")
        .hasMessageEndingWith("Remove that directory to have stage sft start again");
    Files.delete(only.resolve("policy/weights"));
    assertThatThrownBy(() -> reopened().latest("sft", SftRecipe.State.class))
        .hasMessageContaining("policy/weights is missing");
    Files.delete(only.resolve("manifest.json"));
    assertThatThrownBy(() -> reopened().latest("sft", SftRecipe.State.class))
        .hasMessageContaining("manifest.json is missing");
  }

  @Test
  void latest_stateOfAnotherVersion_isRefused() throws IOException {
    write(5);
    assertThatThrownBy(() -> reopened().latest("sft", PreferenceRecipe.State.class))
        .hasMessageContaining("was written by another version of Troupe: state.json");
  }

  @Test
  void completed_givesTheResultBack_andItsCheckpointsGo() throws IOException {
    Path trained = Files.createDirectories(run.resolve("dpo"));
    Files.writeString(trained.resolve("adapter"), "weights");
    checkpoints.begins("dpo");
    Evaluation evaluation =
        new Evaluation(
            List.of(new Evaluation.Reply("a", "b")), List.of(0.1), Map.of("score", 1.0 / 3));
    PreferenceRecipe.Result result =
        new PreferenceRecipe.Result(
            40,
            Optional.of(0.1),
            Optional.of(Proportion.of(3, 4)),
            Optional.empty(),
            evaluation,
            Optional.of(evaluation),
            Optional.of(Proportion.of(1.5, 4)),
            0,
            new Account(4, 4, Map.of()),
            Optional.of(new Best("heldOutAccuracy", 20, 0.75)),
            true,
            false,
            Optional.empty());
    checkpoints.complete("dpo", trained, result);
    var done = reopened().completed("dpo", trained, PreferenceRecipe.Result.class).orElseThrow();
    assertThat(done.result()).isEqualTo(result);
    assertThat(done.seconds()).isPositive();
    assertThat(reopened().isComplete("dpo")).isTrue();

    Files.writeString(trained.resolve("adapter"), "Weights");
    assertThatThrownBy(() -> reopened().completed("dpo", trained, PreferenceRecipe.Result.class))
        .isInstanceOf(PipelineException.class)
        .hasMessage(
            "what stage dpo trained is not as it was left: in "
                + trained
                + ", adapter has other bytes than were written. Put it back, or remove "
                + run.resolve("checkpoints/dpo/done.json")
                + " to have the stage run again");
  }

  @Test
  void seconds_countOverAllRuns() throws IOException {
    checkpoints.begins("sft");
    write(5);
    double before = checkpoints.seconds();
    RunCheckpoints later = reopened();
    later.begins("sft");
    assertThat(later.seconds()).isGreaterThan(0).isLessThan(before + 60);
  }
}
