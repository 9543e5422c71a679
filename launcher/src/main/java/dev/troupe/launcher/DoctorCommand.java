package dev.troupe.launcher;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.troupe.engine.generation.Operators;
import dev.troupe.models.torch.Device;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code troupe doctor}: is this machine fit, and what to do where it is not. */
@Command(
    name = "doctor",
    mixinStandardHelpOptions = true,
    description =
        "Checks Java, the native library, cores, memory, disk and ports; says what is wrong and how"
            + " to mend it. Exit code 2 when something is.")
final class DoctorCommand implements Callable<Integer> {
  private static final long NEEDED_MEMORY = 2L << 30;
  private static final long NEEDED_DISK = 1L << 30;

  @Spec private CommandSpec spec;

  @Option(names = "--json", description = "one JSON object instead of text")
  private boolean json;

  @Option(
      names = "--port",
      paramLabel = "PORT",
      description = "also check that this port is free; repeatable")
  private List<Integer> ports = List.of();

  /**
   * One finding.
   *
   * @param fix what to do; empty when all is well
   */
  record Check(String name, boolean ok, String found, String fix) {}

  @Override
  public Integer call() throws JsonProcessingException {
    List<Check> checks = new ArrayList<>();
    checks.add(java());
    checks.add(nativeLibrary());
    checks.add(kernels());
    checks.add(cores());
    checks.add(device());
    checks.add(memory());
    checks.add(disk("output", Path.of("")));
    checks.add(disk("cache", cache()));
    ports.forEach(port -> checks.add(port(port)));
    boolean ok = checks.stream().allMatch(Check::ok);
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(
          OutputJson.mapper().writeValueAsString(java.util.Map.of("ok", ok, "checks", checks)));
    } else {
      for (Check check : checks) {
        out.printf(
            Locale.ROOT,
            "%-5s %-10s %s%n",
            check.ok() ? "ok" : "FAIL",
            check.name(),
            check.found());
        if (!check.fix().isEmpty()) {
          out.printf(Locale.ROOT, "%-16s %s%n", "", check.fix());
        }
      }
      out.println(ok ? "This machine is ready." : "Mend the lines marked FAIL.");
    }
    out.flush();
    return ok ? ExitCode.OK : ExitCode.USER_ERROR;
  }

  private static Check java() {
    int version = Runtime.version().feature();
    String found =
        String.format(
            Locale.ROOT,
            "Java %s, %s, heap up to %s",
            Runtime.version(),
            System.getProperty("os.arch"),
            MachineMemory.readable(Runtime.getRuntime().maxMemory()));
    boolean wide = System.getProperty("os.arch", "").endsWith("64");
    return new Check(
        "java",
        version >= 17 && wide,
        found,
        version >= 17 && wide ? "" : "install a 64-bit JDK of version 17 or newer");
  }

  private static Check nativeLibrary() {
    try {
      return new Check("torch", true, NativeCheck.run(), "");
    } catch (RuntimeException | LinkageError e) {
      return new Check(
          "torch",
          false,
          "the native library does not work: " + root(e),
          "Troupe ships libtorch for linux-x86_64 with glibc 2.28 or newer; on another platform"
              + " build with -Dpytorch.platform=NAME, behind musl (Alpine) use a glibc image; a"
              + " damaged copy goes away with: rm -r ~/.djl.ai/pytorch");
    }
  }

  /** Without the library a machine is slower, and fit. */
  private static Check kernels() {
    try {
      return new Check("kernels", true, Operators.available(), "");
    } catch (RuntimeException | LinkageError e) {
      return new Check("kernels", true, "not known, as torch does not work", "");
    }
  }

  /** What went wrong first; what is around it only says that something did. */
  private static Throwable root(Throwable thrown) {
    return thrown.getCause() == null ? thrown : root(thrown.getCause());
  }

  private static Check cores() {
    int cores = Runtime.getRuntime().availableProcessors();
    String bf16 =
        ProcessorFeatures.ofThisMachine()
            .bf16()
            .map(unit -> ", engine.precision = bf16 would be fast (" + unit + ")")
            .orElse("");
    return new Check(
        "cores",
        true,
        (cores == 1 ? "1 core, a run will take its time" : cores + " cores") + bf16,
        "");
  }

  private static Check device() {
    Device chosen = Device.of("auto");
    String found =
        chosen.isCuda()
            ? chosen + ", " + MachineMemory.readable(chosen.freeBytes()) + " free"
            : "cpu, CUDA devices: " + Device.cudaDevices();
    return new Check("device", true, found, DeviceAdvice.of("auto", chosen).orElse(""));
  }

  private static Check memory() {
    long available = MachineMemory.availableBytes();
    return new Check(
        "memory",
        available >= NEEDED_MEMORY,
        String.format(
            Locale.ROOT,
            "%s available of %s",
            MachineMemory.readable(available),
            MachineMemory.readable(MachineMemory.totalBytes())),
        available >= NEEDED_MEMORY
            ? ""
            : "the quickstart needs "
                + MachineMemory.readable(NEEDED_MEMORY)
                + "; stop other programs or raise the container's limit");
  }

  private static Check disk(String name, Path directory) {
    Path existing = directory.toAbsolutePath();
    while (!Files.isDirectory(existing)) {
      existing = existing.getParent();
    }
    try {
      long free = Files.getFileStore(existing).getUsableSpace();
      boolean writable = Files.isWritable(existing);
      return new Check(
          name,
          writable && free >= NEEDED_DISK,
          String.format(
              Locale.ROOT,
              "%s, %s free%s",
              directory.toAbsolutePath(),
              MachineMemory.readable(free),
              writable ? "" : ", not writable"),
          writable && free >= NEEDED_DISK
              ? ""
              : "at least "
                  + MachineMemory.readable(NEEDED_DISK)
                  + " and the right to write are needed there");
    } catch (IOException e) {
      return new Check(name, false, existing + ": " + e.getMessage(), "check the file system");
    }
  }

  /** Where DJL unpacks the native library. */
  private static Path cache() {
    for (String name : List.of("ENGINE_CACHE_DIR", "DJL_CACHE_DIR")) {
      String value = System.getenv(name);
      if (value != null && !value.isEmpty()) {
        return Path.of(value);
      }
    }
    return Path.of(System.getProperty("user.home"), ".djl.ai");
  }

  private static Check port(int port) {
    try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
      return new Check(
          "port", true, String.format(Locale.ROOT, "%d is free", socket.getLocalPort()), "");
    } catch (IOException | IllegalArgumentException e) {
      return new Check(
          "port", false, port + " cannot be used: " + e.getMessage(), "name another port");
    }
  }
}
