package dev.troupe.models.torch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TorchTest {
  @TempDir private Path directory;

  @ParameterizedTest
  @ValueSource(strings = {"exit", "halt"})
  void end_kernelsAtWork_doesNotCrash(String how) throws IOException, InterruptedException {
    Process jvm =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Ending.class.getName(),
                how)
            .directory(directory.toFile()) // where a crash would leave its log
            .redirectErrorStream(true)
            .start();
    String output = new String(jvm.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(jvm.waitFor()).as(output).isEqualTo(3);
    assertThat(directory).isEmptyDirectory();
  }

  /** Ends while every lane runs one kernel after the other. */
  static final class Ending {
    private static final int LANES = 2;

    public static void main(String[] how) throws InterruptedException {
      KernelModule kernels =
          KernelModule.compile(
              "descend",
              """
              def descend(self, x):
                  w = x.detach().clone().requires_grad_()
                  for i in range(10000):
                      loss = torch.matmul(w, w).tanh().mean()
                      g = torch.autograd.grad([loss], [w])[0]
                      assert g is not None
                      w = (w - g).detach().requires_grad_()
                  return w.detach()
              """,
              Map.of());
      Lanes lanes = new Lanes(LANES);
      CountDownLatch atWork = new CountDownLatch(LANES);
      Thread caller = new Thread(() -> lanes.map(LANES, lane -> forever(kernels, atWork)));
      caller.setDaemon(true);
      caller.start();
      atWork.await();
      if (how[0].equals("exit")) {
        System.exit(3);
      }
      Torch.end();
      Runtime.getRuntime().halt(3);
    }

    private static int forever(KernelModule kernels, CountDownLatch atWork) {
      try (Handle square = Handle.of(new float[8 * 8], 8, 8)) {
        while (true) {
          atWork.countDown();
          GradMode.with(() -> kernels.train("descend", square)).close();
        }
      }
    }
  }
}
