package dev.troupe.tests.environment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What {@code plan} says that a run needs, against the most that its process then had resident
 * (VmHWM): a whole run, short, by a JVM as ./troupe starts it.
 */
class MemoryTest {
  private static final Pattern PLANNED = Pattern.compile("\nmemory +about ([\\d.]+) (MiB|GiB) at");

  @TempDir private Path directory;

  /** Of stages alone as of all: where the model is small, the JVM and libtorch are most of it. */
  @ParameterizedTest
  @ValueSource(strings = {"[sft]", "[sft, reward, ppo]"})
  void quickstart_needsWhatItsPlanSays(String stages) throws Exception {
    assumeTrue(Files.isReadable(Path.of("/proc/self/status")), "only Linux tells the peak");
    ForkedJvm jvm =
        new ForkedJvm(directory, Map.of("OMP_NUM_THREADS", "1"), "-Xmx2g", "-XX:+UseSerialGC");
    double planned = planned(jvm.troupe(quickstart("plan", stages)).out());
    ForkedJvm.Ended ended = jvm.troupe(quickstart("run", stages));
    assertThat(ended.code()).as(ended.err()).isZero();
    double measured =
        new ObjectMapper()
                .readTree(directory.resolve("out/summary.json").toFile())
                .get("peakResidentBytes")
                .asDouble()
            / (1 << 20);
    assertThat(planned).as("MiB").isCloseTo(measured, withinPercentage(15));
  }

  private static double planned(String plan) {
    Matcher memory = PLANNED.matcher(plan);
    assertThat(memory.find()).as(plan).isTrue();
    return Double.parseDouble(memory.group(1)) * (memory.group(2).equals("GiB") ? 1024 : 1);
  }

  /** The quickstart of fewer samples and rounds, each as large as there. */
  private String[] quickstart(String command, String stages) {
    List<String> words =
        new ArrayList<>(
            List.of(command, ForkedJvm.MODEL.resolveSibling("quickstart.conf").toString()));
    for (String setting :
        List.of(
            "output=\"" + directory.resolve("out") + "\"",
            "model=\"" + ForkedJvm.MODEL + "\"",
            "stages=" + stages,
            "dashboard.enabled=false",
            "engine.device=cpu",
            "quickstart.answered=256",
            "quickstart.preferences=256",
            "quickstart.prompts=256",
            "ppo.iterations=3",
            "ppo.evaluation.held-out=32")) {
      words.addAll(List.of("--set", setting));
    }
    return words.toArray(String[]::new);
  }
}
