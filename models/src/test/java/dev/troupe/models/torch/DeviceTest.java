package dev.troupe.models.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class DeviceTest {
  @ParameterizedTest
  @CsvSource({
    "cpu, 2, true, cpu",
    "auto, 0, true, cpu",
    "auto, 2, false, cpu",
    "auto, 2, true, cuda:0",
    "cuda, 1, true, cuda:0",
    "cuda:1, 2, true, cuda:1"
  })
  void choose_byNameAndMachine(String name, int devices, boolean build, String chosen) {
    assertThat(Device.choose(name, devices, () -> build)).hasToString(chosen);
  }

  @Test
  void choose_ofALibraryForTheCpu_saysHowToGetAnother() {
    assertThatThrownBy(() -> Device.choose("cuda:0", 1, () -> false))
        .isInstanceOf(DeviceException.class)
        .hasMessage(
            "the device is to be cuda:0, but the libtorch in use is a build for the CPU;"
                + " docs/cuda.md says how to give Troupe one for CUDA, or let engine.device"
                + " (--device) be cpu");
  }

  @ParameterizedTest
  @CsvSource({
    "cuda, 0, is missing or shows no device",
    "cuda:1, 1, shows cuda:0 alone",
    "cuda:7, 2, shows 2 devices"
  })
  void choose_ofADeviceThatIsNotThere_saysWhatThereIs(String name, int devices, String shown) {
    assertThatThrownBy(() -> Device.choose(name, devices, () -> true))
        .isInstanceOf(DeviceException.class)
        .hasMessage(
            "the device is to be "
                + name
                + ", but CUDA's runtime (libcudart, on LD_LIBRARY_PATH) "
                + shown
                + "; see docs/cuda.md, nvidia-smi and CUDA_VISIBLE_DEVICES, or let engine.device"
                + " (--device) be another");
  }

  @Test
  void of_onThisMachine_loadsTheLibraryAndAsksIt() {
    assertThat(Device.of("cpu")).isEqualTo(Device.CPU);
    if (Device.cudaDevices() == 0) {
      assertThat(Device.of("auto")).isEqualTo(Device.CPU);
      assertThatThrownBy(() -> Device.of("cuda")).isInstanceOf(DeviceException.class);
    }
  }

  @ParameterizedTest
  @CsvSource({"gpu", "cuda:", "cuda:x", "cuda:0001", "CPU"})
  void isName_ofNoName(String name) {
    assertThat(Device.isName(name)).isFalse();
    assertThatThrownBy(() -> Device.choose(name, 1, () -> true))
        .hasMessage("device is " + name + ", allowed: auto, cpu, cuda or \"cuda:N\"");
  }

  @Test
  void use_ofAnotherDeviceOnceTensorsLive_isRefused() {
    Torch.use(Device.CPU);
    try (Handle tensor = Handle.of(new float[] {1}, 1)) {
      assertThat(tensor.floats()).containsExactly(1);
      assertThatThrownBy(() -> Torch.use(Device.cuda(0)))
          .isInstanceOf(DeviceException.class)
          .hasMessage(
              "this JVM computes on cpu already; cuda:0 needs a JVM of its own, or must be chosen"
                  + " first");
    }
    assertThat(Torch.device()).isEqualTo(Device.CPU);
  }
}
