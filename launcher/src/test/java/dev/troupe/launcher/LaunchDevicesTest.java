package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.models.torch.Device;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which device each node of a launch is given, and what is said of the choice. */
final class LaunchDevicesTest {
  @TempDir private Path directory;

  @Test
  void nodesOfOneMachine_takeItsCudaDevicesInTurn() {
    Device first = Device.cuda(0);
    assertThat(LocalNodes.device("auto", first, 0, 2)).isEqualTo("cuda:0");
    assertThat(LocalNodes.device("cuda", first, 1, 2)).isEqualTo("cuda:1");
    assertThat(LocalNodes.device("auto", first, 2, 2)).isEqualTo("cuda:0");
    assertThat(LocalNodes.device("cuda:0", first, 1, 2)).isEqualTo("cuda:0");
    assertThat(LocalNodes.device("auto", Device.CPU, 1, 0)).isEqualTo("auto");
    assertThat(LocalNodes.device("cpu", Device.CPU, 1, 2)).isEqualTo("cpu");
  }

  /** Until there were replicas, the role was a text. */
  @Test
  void nodeRole_whereASectionIs_isToldItsPlace() {
    Path quickstart = Path.of(System.getProperty("troupe.root"), "configs/quickstart.conf");
    assertThatThrownBy(
            () -> PipelineConfigurations.loader().load(quickstart, List.of("cluster.policy=gpu1")))
        .hasMessageContaining(
            "'cluster.policy' is the text \"gpu1\", expected a section { … }; did you mean"
                + " 'cluster.policy.node'?");
  }

  @Test
  void hosts_mayNameADevice() throws IOException {
    Path file = directory.resolve("hosts");
    Files.writeString(file, "gpu1 policy cuda:0\nme@gpu1 critic,judge cuda:1\nother rollout\n");
    assertThat(HostsFile.read(file).hosts())
        .extracting(HostsFile.Host::device)
        .containsExactly(Optional.of("cuda:0"), Optional.of("cuda:1"), Optional.empty());
  }

  @Test
  void hosts_withAWrongDevice_areRefused() throws IOException {
    Path file = directory.resolve("hosts");
    Files.writeString(file, "# two\ngpu1 policy gpu0\n");
    assertThatThrownBy(() -> HostsFile.read(file))
        .hasMessage(
            file
                + ":2: expected HOST ROLE[,ROLE…] [DEVICE], found 'gpu1 policy gpu0'; for example:"
                + " gpu1 policy cuda:0");
  }

  @Test
  void auto_thatLeavesADeviceIdle_isExplained() {
    assertThat(DeviceAdvice.of("auto", Device.cuda(0), 1)).isEmpty();
    assertThat(DeviceAdvice.of("auto", Device.CPU, 1))
        .hasValue(
            "the CUDA device of this machine lies idle: it needs a libtorch for CUDA, see"
                + " docs/cuda.md");
    assertThat(DeviceAdvice.of("auto", Device.CPU, 0)).isEmpty();
    assertThat(DeviceAdvice.of("cpu", Device.CPU, 1)).isEmpty();
  }
}
