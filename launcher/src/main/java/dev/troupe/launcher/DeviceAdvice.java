package dev.troupe.launcher;

import dev.troupe.models.torch.Device;
import java.util.Optional;

/** What is worth saying of a device that was chosen. */
final class DeviceAdvice {
  private DeviceAdvice() {}

  /**
   * @param name as it was asked for
   * @param chosen what that came down to
   */
  static Optional<String> of(String name, Device chosen) {
    return of(name, chosen, Device.cudaDevices());
  }

  static Optional<String> of(String name, Device chosen, int cudaDevices) {
    if (name.equals("auto") && chosen.isCuda()) {
      return Optional.of("device: " + chosen);
    }
    return name.equals("auto") && cudaDevices > 0
        ? Optional.of(
            "device: cpu; this machine's CUDA device would need a libtorch for CUDA, see"
                + " docs/cuda.md")
        : Optional.empty();
  }
}
