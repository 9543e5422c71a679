package dev.troupe.models.torch;

import ai.djl.engine.Engine;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import org.jspecify.annotations.Nullable;

/**
 * The library of operators of our own ({@code ops.troupe}, of the module native), which this JVM's
 * libtorch loads once, when it is first asked for. It fits one version of libtorch, and has kernels
 * for several kinds of processors, of which the environment variable {@code TROUPE_INSTRUCTIONS}
 * may choose another than the best.
 */
public final class NativeLibrary {
  /** The system property that names a directory with another build of it. */
  public static final String DIRECTORY = "troupe.native";

  private static final String NAME = "libtroupe.so";
  private static final String PROPERTIES = "library.properties";

  private static final String ABOUT =
      """
      def source(self) -> str:
        return ops.troupe.source()

      def largest_weight(self) -> int:
        return ops.troupe.largest_weight()

      def instructions(self) -> str:
        return ops.troupe.instructions()

      def widens(self) -> bool:
        return ops.troupe.widens()
      """;

  /** What became of it. */
  public sealed interface State {}

  /**
   * It is there.
   *
   * @param instructions of the processor that its kernels use: avx512-bf16, avx512-vnni, avx2,
   *     neon-i8mm, neon-dotprod or plain
   * @param largestWeight in steps, of int8 weights whose products come out exact
   * @param widens whether this processor multiplies float32 faster than bfloat16, by its kind
   */
  public record Loaded(String instructions, int largestWeight, boolean widens) implements State {}

  /**
   * It is not.
   *
   * @param reason to be read after "because"
   */
  public record Absent(String reason) implements State {}

  /** Opens a file of a build; null where there is none. */
  interface Build {
    @Nullable InputStream open(String file) throws IOException;
  }

  private static final class Once {
    static final State STATE = load();

    private static State load() {
      Torch.start();
      String platform = platform(System.getProperty("os.name"), System.getProperty("os.arch"));
      return NativeLibrary.load(
          build(platform), platform, Engine.getEngine("PyTorch").getVersion());
    }
  }

  private NativeLibrary() {}

  /** What became of it in this JVM; the first call loads it. */
  public static State state() {
    return Once.STATE;
  }

  /** As the module's directories are named: linux-x86_64. */
  static String platform(String system, String architecture) {
    String name = system.toLowerCase(Locale.ROOT).replace(' ', '-');
    return name + "-" + (architecture.equals("amd64") ? "x86_64" : architecture);
  }

  private static Build build(String platform) {
    String directory = System.getProperty(DIRECTORY, "");
    if (directory.isEmpty()) {
      return file ->
          NativeLibrary.class.getResourceAsStream("/troupe-native/" + platform + "/" + file);
    }
    return file -> {
      Path path = Path.of(directory, file);
      return Files.exists(path) ? Files.newInputStream(path) : null;
    };
  }

  /**
   * Loads a build.
   *
   * @param torch the version of this JVM's libtorch
   */
  static State load(Build build, String platform, String torch) {
    Path unpacked = null;
    try {
      byte[] about = read(build, PROPERTIES);
      byte[] library = read(build, NAME);
      if (about == null || library == null) {
        return new Absent(
            "there is none for "
                + platform
                + " ("
                + (about == null ? PROPERTIES : NAME)
                + " is missing; native/build.sh builds one)");
      }
      Properties properties = new Properties();
      properties.load(new ByteArrayInputStream(about));
      String madeFor = properties.getProperty("torch", "an unknown version");
      if (!torch.equals(madeFor)) {
        return new Absent("it is made for libtorch " + madeFor + ", and this is " + torch);
      }
      String hash = sha256(library);
      if (!hash.equals(properties.getProperty("sha256"))) {
        return new Absent(
            "it is damaged or another: its SHA-256 is "
                + hash
                + ", "
                + PROPERTIES
                + " says "
                + properties.getProperty("sha256"));
      }
      unpacked = Files.createTempFile("libtroupe-", ".so");
      Files.write(unpacked, library);
      System.load(unpacked.toString());
      return asked(properties.getProperty("source", ""));
    } catch (IOException e) {
      return new Absent("it cannot be read or unpacked: " + e);
    } catch (UnsatisfiedLinkError e) {
      return new Absent("it does not load: " + e.getMessage());
    } finally {
      delete(unpacked);
    }
  }

  /**
   * What the library says of itself, once it is there. That it is of the source that its properties
   * name says for which libtorch, too: the build script, which builds for one, is of that source.
   */
  private static State asked(String source) {
    try (KernelModule kernels = KernelModule.compile("native", ABOUT, Map.of())) {
      String own = ask(kernels, "source");
      if (!own.equals(source)) {
        return new Absent(
            "it was built of another source ("
                + own
                + ") than its properties say ("
                + source
                + ")");
      }
      try (Handle widens = kernels.infer("widens")) {
        return new Loaded(ask(kernels, "instructions"), largestWeight(kernels), widens.asBoolean());
      }
    } catch (KernelException e) {
      return new Absent("it does not answer: " + reason(e));
    }
  }

  /** The line of torch's message that says what is wrong. */
  private static String reason(KernelException e) {
    return String.valueOf(e.getMessage())
        .lines()
        .filter(line -> line.startsWith("RuntimeError: ") || line.contains("TROUPE_INSTRUCTIONS"))
        .findFirst()
        .orElse(String.valueOf(e.getMessage()));
  }

  private static String ask(KernelModule kernels, String method) {
    try (Handle answer = kernels.infer(method)) {
      return answer.asString();
    }
  }

  private static int largestWeight(KernelModule kernels) {
    try (Handle answer = kernels.infer("largest_weight")) {
      return Math.toIntExact(answer.asLong());
    }
  }

  private static byte @Nullable [] read(Build build, String file) throws IOException {
    try (InputStream stream = build.open(file)) {
      return stream == null ? null : stream.readAllBytes();
    }
  }

  private static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The file's name may go once the library is loaded. */
  private static void delete(@Nullable Path file) {
    if (file == null) {
      return;
    }
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      // A system that does not let go of a library in use: a file too many in its directory.
      file.toFile().deleteOnExit();
    }
  }
}
