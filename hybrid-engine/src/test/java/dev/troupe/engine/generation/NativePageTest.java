package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.protocol.data.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;

/** The table of docs/families.md that says whose operators decode is what the code does. */
final class NativePageTest {
  @Test
  void families_whoseOperators_isWhatTheFormatsSay() throws IOException {
    List<String> expected = new ArrayList<>();
    for (Storage format : Storage.ofRollouts()) {
      String products =
          Packing.of(format)
                  .placeholders(new Operators(true, false, false, "here"))
                  .get("LINEAR")
                  .contains("troupe")
              ? "the library's"
              : "torch's";
      assertThat(products.equals("the library's"))
          .isEqualTo(Packing.of(format).hasNativeProducts());
      expected.add(
          "| " + format.name().toLowerCase(Locale.ROOT) + " | " + products + " | the library's |");
    }
    Path page = Path.of(System.getProperty("troupe.root"), "docs/families.md");
    assertThat(Files.readAllLines(page)).containsSubsequence(expected);
  }
}
