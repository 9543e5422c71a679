package dev.troupe.launcher.bench;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/**
 * What a work took.
 *
 * @param wall seconds by the clock
 * @param processor seconds of all threads of this process, which other processes do not lengthen
 */
record Taken(double wall, double processor) {
  private static final OperatingSystemMXBean PROCESS =
      ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);

  static Taken by(Runnable work) {
    long before = PROCESS.getProcessCpuTime();
    double wall = Turns.seconds(work);
    return new Taken(wall, (PROCESS.getProcessCpuTime() - before) / 1e9);
  }
}
