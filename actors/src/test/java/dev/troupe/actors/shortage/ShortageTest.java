package dev.troupe.actors.shortage;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.actors.pipeline.PipelineException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;

class ShortageTest {
  @Test
  void of_memory_saysWhichKind() {
    assertThat(
            Shortage.of(new CompletionException(new OutOfMemoryError("Java heap space")))
                .orElseThrow())
        .startsWith("out of memory: the JVM's heap of ")
        .endsWith(
            "is full. Give it more (TROUPE_HEAP=4g for the command line, -Xmx4g elsewhere), or"
                + " keep less in it: less data, smaller batches");
    assertThat(
            Shortage.of(new OutOfMemoryError("Cannot reserve 9 bytes of direct buffer memory"))
                .orElseThrow())
        .contains("-XX:MaxDirectMemorySize");
    assertThat(
            Shortage.of(
                    new OutOfMemoryError("unable to create native thread: possibly out of memory"))
                .orElseThrow())
        .contains("ulimit -u");
  }

  /** Torch 2.7's own words. */
  @Test
  void of_tensors_saysHowMuch() {
    String torch =
        "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory:"
            + " you tried to allocate 4503599627370496 bytes. Error code 12 (Cannot allocate memory)";
    assertThat(Shortage.of(new IllegalStateException(new RuntimeException(torch))).orElseThrow())
        .startsWith("out of memory for tensors when 4194304.0 GiB more were needed: ");
    assertThat(
            Shortage.of(
                    new RuntimeException(
                        "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total …"))
                .orElseThrow())
        .startsWith("out of memory for tensors when 2.50 GiB more were needed: ");
  }

  @Test
  void of_disk_namesTheFile() {
    assertThat(
            Shortage.of(
                new PipelineException(
                    "cannot write to out/metrics.jsonl: java.io.IOException: No space left on"
                        + " device",
                    new IOException("No space left on device"))))
        .hasValue(
            "cannot write to out/metrics.jsonl: the disk is full; make room, or name a directory on"
                + " another one (--set output=DIR)");
    assertThat(
            Shortage.of(
                new UncheckedIOException(
                    new FileSystemException("out/a", null, "Read-only file system"))))
        .hasValue(
            "out/a: nothing can be written there; name a directory elsewhere (--set output=DIR)");
    assertThat(
            Shortage.of(
                new IllegalStateException(
                    new FileNotFoundException("lib/tzdb.dat (Too many open files)"))))
        .hasValue(
            "lib/tzdb.dat: this process may open no more files; raise the limit (ulimit -n 65536)");
    assertThat(Shortage.of(new FileSystemException("out/a", null, "Too many open files")))
        .hasValue("out/a: this process may open no more files; raise the limit (ulimit -n 65536)");
  }

  @Test
  void of_anythingElse_isEmpty() {
    assertThat(Shortage.of(new IOException("Broken pipe"))).isEmpty();
    assertThat(Shortage.of(new IllegalStateException("a defect"))).isEmpty();
    assertThat(Shortage.of(new StackOverflowError())).isEmpty();
  }
}
