package dev.troupe.actors.role;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What messages name is held against the run's directory, links resolved, every time. */
class RunFilesTest {
  @TempDir Path directory;
  private Path run;
  private Path outside;
  private RunFiles files;

  @BeforeEach
  void make() throws IOException {
    directory = directory.toRealPath();
    run = directory.resolve("run");
    outside = Files.createDirectory(directory.resolve("outside"));
    files = RunFiles.of(run);
  }

  private void refused(Path place) {
    assertThatThrownBy(() -> files.toWrite(place.toString()))
        .isInstanceOf(RunFilesException.class)
        .hasMessageContaining("refuses " + place);
    assertThatThrownBy(() -> files.toRead(place.toString()))
        .isInstanceOf(RunFilesException.class)
        .hasMessageContaining("refuses " + place);
    assertThat(outside).isEmptyDirectory();
  }

  @Test
  void inside_isMade_alsoWhereTheRunsDirectoryIsNotThereYet() {
    Path place = run.resolve("checkpoints/sft/.writing/policy");
    assertThat(files.toWrite(place.toString())).isEqualTo(place).isEmptyDirectory();
    assertThat(files.toRead(place.toString())).isEqualTo(place);
  }

  @Test
  void outside_isRefused_howeverItIsNamed() throws IOException {
    refused(outside);
    refused(outside.resolve("deeper"));
    refused(run);
    refused(directory.resolve("runs"));
    refused(run.resolve("../outside"));
    refused(run.resolve("a/../../outside/x"));
    refused(Path.of("elsewhere").toAbsolutePath());
    Files.createDirectories(run.resolve("a"));
    refused(run.resolve("a/../../outside/x"));
  }

  @Test
  void links_madeBefore_areResolved() throws IOException {
    Files.createDirectories(run);
    Files.createSymbolicLink(run.resolve("away"), outside);
    Files.createSymbolicLink(run.resolve("nowhere"), directory.resolve("not there"));
    refused(run.resolve("away"));
    refused(run.resolve("away/policy"));
    assertThatThrownBy(() -> files.toWrite(run.resolve("nowhere/policy").toString()))
        .isInstanceOf(RunFilesException.class);
    assertThat(directory.resolve("not there")).doesNotExist();
    Files.createDirectory(run.resolve("there"));
    Files.createSymbolicLink(run.resolve("within"), run.resolve("there"));
    assertThat(files.toWrite(run.resolve("within/x").toString())).isEqualTo(run.resolve("there/x"));
  }

  @Test
  void links_madeAfterAFirstUse_areRefusedAtTheNext() throws IOException {
    Path policy = files.toWrite(run.resolve("policy").toString());
    Files.createSymbolicLink(
        policy.resolve("adapter_model.safetensors.part"), outside.resolve("file"));
    assertThatThrownBy(() -> files.toWrite(policy.toString()))
        .hasMessageContaining("adapter_model.safetensors.part is a symbolic link");
    Files.delete(policy.resolve("adapter_model.safetensors.part"));
    Files.delete(policy);
    Files.createSymbolicLink(policy, outside);
    refused(policy);
  }

  @Test
  void theRunsOwnDirectory_mayBeALink() throws IOException {
    Path real = Files.createDirectory(directory.resolve("real"));
    Files.createSymbolicLink(directory.resolve("link"), real);
    RunFiles linked = RunFiles.of(directory.resolve("link"));
    assertThat(linked.toWrite(directory.resolve("link/sft").toString()))
        .isEqualTo(real.resolve("sft"));
  }

  @Test
  void aJvmWithoutRoles_writesNothing() {
    assertThatThrownBy(() -> RunFiles.NOWHERE.toWrite(run.toString()))
        .hasMessageContaining("no run's directory");
  }

  /** Swapped in the very middle, which a race could hit and this always does. */
  @Test
  void swappedWhileItIsWritten_isNoticed() throws IOException {
    Path policy = run.resolve("policy");
    assertThatThrownBy(
            () ->
                files.write(
                    policy.toString(),
                    place -> {
                      move(place, run.resolve("aside"));
                      link(policy, outside);
                    }))
        .isInstanceOf(RunFilesException.class)
        .hasMessageContaining("refuses " + policy);
    Files.delete(policy);
    assertThatThrownBy(
            () ->
                files.write(
                    policy.toString(),
                    place -> {
                      move(place, run.resolve("aside too"));
                      assertThat(place.toFile().mkdir()).isTrue();
                    }))
        .isInstanceOf(RunFilesException.class)
        .hasMessageContaining("somebody put another directory in its place");
    assertThatThrownBy(
            () ->
                files.write(
                    policy.toString(),
                    place -> link(place.resolve("x.part"), outside.resolve("x"))))
        .hasMessageContaining("x.part is a symbolic link");
    Files.delete(policy.resolve("x.part"));
    files.write(policy.toString(), place -> assertThat(place).isEqualTo(policy));
  }

  private static void move(Path from, Path to) {
    assertThat(from.toFile().renameTo(to.toFile())).isTrue();
  }

  private static void link(Path link, Path to) {
    try {
      Files.createSymbolicLink(link, to);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void openToEverybody_isRefused_unlessNobodyCanReplaceWhatOthersMade() throws IOException {
    Path policy = run.resolve("checkpoints/policy");
    Files.createDirectories(policy);
    for (Path open : List.of(run, run.resolve("checkpoints"), policy)) {
      Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
      assertThatThrownBy(() -> files.toWrite(policy.toString()))
          .isInstanceOf(RunFilesException.class)
          .hasMessage(
              "refuses " + policy + ": everybody may write into " + open + "; chmod o-w " + open);
      Files.setAttribute(open, "unix:mode", 01777);
      assertThat(files.toWrite(policy.toString())).isEqualTo(policy);
      Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxr-x"));
      assertThat(files.toWrite(policy.toString())).isEqualTo(policy);
    }
    // What lies above is not the run's.
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxrwxrwx"));
    assertThat(files.toWrite(policy.toString())).isEqualTo(policy);
  }
}
