package dev.troupe.models.torch;

import ai.djl.util.cuda.CudaUtils;
import java.lang.management.MemoryUsage;
import java.util.OptionalInt;
import java.util.function.BooleanSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a JVM computes on: its processors, or one CUDA device. A machine with several has a JVM for
 * each.
 *
 * @param cuda the CUDA device's number, or nothing for the processors
 */
public record Device(OptionalInt cuda) {
  public static final Device CPU = new Device(OptionalInt.empty());

  /** The names that {@link #of} takes, for messages. */
  public static final String NAMES = "auto, cpu, cuda or \"cuda:N\"";

  private static final Pattern CUDA = Pattern.compile("cuda(?::(\\d{1,3}))?");

  /** The CUDA device of this number. */
  public static Device cuda(int number) {
    return new Device(OptionalInt.of(number));
  }

  /** Whether {@link #of} takes this name, on one machine or another. */
  public static boolean isName(String name) {
    return name.equals("auto") || name.equals("cpu") || namesCuda(name);
  }

  /** Whether the name asks for a CUDA device, be there one or not. */
  public static boolean namesCuda(String name) {
    return CUDA.matcher(name).matches();
  }

  /**
   * The device of a name: {@code cpu}, {@code cuda:N}, {@code cuda} for the first one, or {@code
   * auto} for the first one where there is one and the CPU otherwise.
   *
   * @throws DeviceException when it is not there
   */
  public static Device of(String name) {
    return choose(name, CudaUtils.getGpuCount(), Torch::knowsCuda);
  }

  /**
   * As {@link #of}, on a machine with so many CUDA devices.
   *
   * @param build whether libtorch can use them; asked only where there are any, as the library must
   *     be loaded for the answer
   */
  static Device choose(String name, int devices, BooleanSupplier build) {
    if (name.equals("cpu")) {
      return CPU;
    }
    if (name.equals("auto")) {
      return devices > 0 && build.getAsBoolean() ? cuda(0) : CPU;
    }
    Matcher matcher = CUDA.matcher(name);
    if (!matcher.matches()) {
      throw new DeviceException("device is " + name + ", allowed: " + NAMES);
    }
    int number = matcher.group(1) == null ? 0 : Integer.parseInt(matcher.group(1));
    if (number >= devices) {
      throw new DeviceException(
          "the device is to be "
              + name
              + ", but CUDA's runtime (libcudart, on LD_LIBRARY_PATH) "
              + (devices == 0
                  ? "is missing or shows no device"
                  : devices == 1 ? "shows cuda:0 alone" : "shows " + devices + " devices")
              + "; see docs/cuda.md, nvidia-smi and CUDA_VISIBLE_DEVICES, or let engine.device"
              + " (--device) be another");
    }
    if (!build.getAsBoolean()) {
      throw new DeviceException(
          "the device is to be "
              + name
              + ", but the libtorch in use is a build for the CPU; docs/cuda.md says how to give"
              + " Troupe one for CUDA, or let engine.device (--device) be cpu");
    }
    return cuda(number);
  }

  public boolean isCuda() {
    return cuda.isPresent();
  }

  /** CUDA devices of this machine, whether libtorch can use them or not. */
  public static int cudaDevices() {
    return CudaUtils.getGpuCount();
  }

  /** Bytes that are free on a CUDA device. */
  public long freeBytes() {
    MemoryUsage memory = CudaUtils.getGpuMemory(ai.djl.Device.gpu(cuda.orElseThrow()));
    return memory.getMax() - memory.getCommitted();
  }

  ai.djl.Device djl() {
    return cuda.isPresent() ? ai.djl.Device.gpu(cuda.getAsInt()) : ai.djl.Device.cpu();
  }

  /** As torch writes it: cpu, cuda:0. */
  @Override
  public String toString() {
    return cuda.isPresent() ? "cuda:" + cuda.getAsInt() : "cpu";
  }
}
