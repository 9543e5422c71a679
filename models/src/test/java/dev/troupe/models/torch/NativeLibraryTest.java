package dev.troupe.models.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What keeps the library of operators out, and what it says of itself where it is in. */
class NativeLibraryTest {
  private static final byte[] RUBBISH = "no library".getBytes(StandardCharsets.UTF_8);

  @Test
  void state_whereTheLibraryIsBuiltFor_isLoaded() {
    assumeTrue(
        Set.of("linux-x86_64", "linux-aarch64")
            .contains(
                NativeLibrary.platform(
                    System.getProperty("os.name"), System.getProperty("os.arch"))));
    assertThat(NativeLibrary.state())
        .isInstanceOfSatisfying(
            NativeLibrary.Loaded.class,
            loaded ->
                assertThat(loaded.instructions())
                    .isIn(
                        "avx512-bf16",
                        "avx512-vnni",
                        "avx2",
                        "neon-i8mm",
                        "neon-dotprod",
                        "plain"));
  }

  @Test
  void load_ofAnotherPlatform_saysThatThereIsNone() {
    assertThat(reason(Map.of(), "windows-11-x86_64", "2.7.1"))
        .contains("there is none for windows-11-x86_64")
        .contains("native/build.sh");
    assertThat(reason(Map.of("library.properties", properties("2.7.1", "")), "p", "2.7.1"))
        .contains("libtroupe.so is missing");
  }

  @Test
  void load_forAnotherTorch_saysForWhich() {
    Map<String, byte[]> build =
        Map.of("library.properties", properties("2.6.0", ""), "libtroupe.so", RUBBISH);
    assertThat(reason(build, "linux-x86_64", "2.7.1"))
        .isEqualTo("it is made for libtorch 2.6.0, and this is 2.7.1");
  }

  @Test
  void load_damaged_saysBothHashes() {
    Map<String, byte[]> build =
        Map.of("library.properties", properties("2.7.1", "abc"), "libtroupe.so", RUBBISH);
    assertThat(reason(build, "linux-x86_64", "2.7.1"))
        .contains("damaged or another: its SHA-256 is " + hash(RUBBISH))
        .contains("says abc");
  }

  @Test
  void load_whatIsNoLibrary_saysWhatTheSystemSays() {
    Map<String, byte[]> build =
        Map.of("library.properties", properties("2.7.1", hash(RUBBISH)), "libtroupe.so", RUBBISH);
    assertThat(reason(build, "linux-x86_64", "2.7.1")).startsWith("it does not load: ");
  }

  @Test
  void load_unreadable_saysSo() {
    NativeLibrary.State state =
        NativeLibrary.load(
            file -> {
              throw new IOException("input/output error");
            },
            "linux-x86_64",
            "2.7.1");
    assertThat(((NativeLibrary.Absent) state).reason())
        .contains("cannot be read or unpacked")
        .contains("input/output error");
  }

  @Test
  void platform_isNamedAsTheBuildsAre() {
    assertThat(NativeLibrary.platform("Linux", "amd64")).isEqualTo("linux-x86_64");
    assertThat(NativeLibrary.platform("Mac OS X", "aarch64")).isEqualTo("mac-os-x-aarch64");
  }

  private static String reason(Map<String, byte[]> build, String platform, String torch) {
    NativeLibrary.State state =
        NativeLibrary.load(
            file -> build.containsKey(file) ? new ByteArrayInputStream(build.get(file)) : null,
            platform,
            torch);
    return ((NativeLibrary.Absent) state).reason();
  }

  private static byte[] properties(String torch, String sha256) {
    return ("torch=" + torch + "\nsource=x\nsha256=" + sha256 + "\n")
        .getBytes(StandardCharsets.ISO_8859_1);
  }

  private static String hash(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
