package dev.troupe.launcher;

import com.sun.management.OperatingSystemMXBean;
import dev.troupe.models.torch.Device;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.OptionalLong;

/** How much memory this machine, or the container around us, still gives. */
final class MachineMemory {
  private MachineMemory() {}

  /** Bytes that can be taken now where the device's tensors lie. */
  static long availableBytes(Device device) {
    return device.isCuda() ? device.freeBytes() : availableBytes();
  }

  /** Bytes that can be taken now without swapping. */
  static long availableBytes() {
    OptionalLong machine = kernelLine(Path.of("/proc/meminfo"), "MemAvailable:");
    long available = machine.orElseGet(() -> system().getFreeMemorySize());
    OptionalLong limit = number(Path.of("/sys/fs/cgroup/memory.max"));
    OptionalLong used = number(Path.of("/sys/fs/cgroup/memory.current"));
    return limit.isPresent() && used.isPresent()
        ? Math.min(available, limit.getAsLong() - used.getAsLong())
        : available;
  }

  static long totalBytes() {
    return system().getTotalMemorySize();
  }

  /** 1.5 GiB, 320 MiB, 12 KiB. */
  static String readable(long bytes) {
    if (bytes >= 1L << 30) {
      return String.format(Locale.ROOT, "%.1f GiB", bytes / (double) (1L << 30));
    }
    if (bytes >= 1L << 20) {
      return String.format(Locale.ROOT, "%.0f MiB", bytes / (double) (1L << 20));
    }
    return String.format(Locale.ROOT, "%.0f KiB", bytes / 1024.0);
  }

  private static OperatingSystemMXBean system() {
    return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
  }

  private static OptionalLong kernelLine(Path file, String key) {
    try (var lines = Files.lines(file)) {
      return lines
          .filter(line -> line.startsWith(key))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
          .findFirst();
    } catch (IOException e) {
      return OptionalLong.empty();
    }
  }

  /** Absent for "max", and where there is no such file. */
  private static OptionalLong number(Path file) {
    try {
      String text = Files.readString(file).strip();
      return text.matches("\\d+") ? OptionalLong.of(Long.parseLong(text)) : OptionalLong.empty();
    } catch (IOException e) {
      return OptionalLong.empty();
    }
  }
}
