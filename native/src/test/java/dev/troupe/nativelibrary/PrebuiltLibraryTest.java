package dev.troupe.nativelibrary;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The library in the repository is the one that its source and flags give: whoever changes a file
 * builds it anew. Needs no compiler.
 */
class PrebuiltLibraryTest {
  private static final Path MODULE = Path.of(System.getProperty("troupe.root"), "native");
  private static final Path BUILDS = MODULE.resolve("src/main/resources/troupe-native");
  private static final long LARGEST = 5 << 19;

  static List<Path> builds() throws IOException {
    try (Stream<Path> found = Files.list(BUILDS)) {
      return found.sorted().toList();
    }
  }

  @ParameterizedTest
  @MethodSource("builds")
  void library_isOfTheSourceAndTheBytesThatItsPropertiesSay(Path build) throws IOException {
    Properties properties = new Properties();
    try (var reader = Files.newBufferedReader(build.resolve("library.properties"))) {
      properties.load(reader);
    }
    byte[] library = Files.readAllBytes(build.resolve("libtroupe.so"));
    String source = hash(source());
    assertThat(properties.getProperty("source"))
        .as("the source's hash; after a change: native/build.sh")
        .isEqualTo(source);
    assertThat(properties.getProperty("sha256")).isEqualTo(hash(Stream.of(library)));
    assertThat(new String(library, StandardCharsets.ISO_8859_1)).contains(source);
    assertThat(library.length).isLessThan((int) LARGEST);
  }

  @ParameterizedTest
  @ValueSource(strings = {"linux-x86_64", "linux-aarch64"})
  void theLibrary_isThereForLinux(String platform) {
    assertThat(BUILDS.resolve(platform).resolve("libtroupe.so")).isRegularFile();
  }

  /** As build.sh concatenates it. */
  private static Stream<byte[]> source() throws IOException {
    List<Path> files;
    try (Stream<Path> found = Files.list(MODULE.resolve("src/main/cpp"))) {
      files = found.sorted().toList();
    }
    return Stream.concat(Stream.of(MODULE.resolve("build.sh")), files.stream())
        .map(PrebuiltLibraryTest::read);
  }

  private static byte[] read(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String hash(Stream<byte[]> parts) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      parts.forEach(digest::update);
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
