package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class InterruptsTest {
  /** As of every program that a signal ends: 128 and the signal's number. */
  @ParameterizedTest
  @CsvSource({"INT, 130", "TERM, 143"})
  void signal_asksForAStop_andIsTheExitCode(String signal, int code)
      throws IOException, InterruptedException {
    CountDownLatch stopped = new CountDownLatch(1);
    try (Interrupts interrupts = new Interrupts(stopped::countDown)) {
      assertThat(interrupts.interrupted()).isFalse();
      String self = Long.toString(ProcessHandle.current().pid());
      new ProcessBuilder("kill", "-" + signal, self).inheritIO().start().waitFor();
      assertThat(stopped.await(30, TimeUnit.SECONDS)).isTrue();
      assertThat(interrupts.interrupted()).isTrue();
      assertThat(interrupts.exitCode()).isEqualTo(code);
    }
  }

  @Test
  void stopThatNoSignalAskedFor_isCtrlCs() {
    try (Interrupts interrupts = new Interrupts(() -> {})) {
      assertThat(interrupts.exitCode()).isEqualTo(130);
    }
  }
}
