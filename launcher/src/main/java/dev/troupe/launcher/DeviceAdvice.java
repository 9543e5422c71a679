package dev.troupe.launcher;

import dev.troupe.models.torch.Device;
import java.util.Optional;

/** What is worth saying of what {@code auto} came down to. */
final class DeviceAdvice {
  private DeviceAdvice() {}

  /**
   * @param name as the device was asked for
   * @param chosen what that came down to
   */
  static Optional<String> of(String name, Device chosen) {
    return of(name, chosen, Device.cudaDevices());
  }

  /** The same on a machine with so many CUDA devices. */
  static Optional<String> of(String name, Device chosen, int cudaDevices) {
    return name.equals("auto") && !chosen.isCuda() && cudaDevices > 0
        ? Optional.of(
            "the CUDA device of this machine lies idle: it needs a libtorch for CUDA, see"
                + " docs/cuda.md")
        : Optional.empty();
  }
}
