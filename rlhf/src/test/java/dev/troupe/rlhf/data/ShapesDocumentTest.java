package dev.troupe.rlhf.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** docs/data.md lists every shape of record. */
class ShapesDocumentTest {
  private static final Path PAGE =
      Path.of(System.getProperty("troupe.root", ".."), "docs", "data.md");

  @ParameterizedTest
  @EnumSource(value = Shape.class, mode = EnumSource.Mode.EXCLUDE, names = "AUTO")
  void page_everyShape_hasARow(Shape shape) throws IOException {
    assertThat(Files.readString(PAGE)).contains("\n| `" + shape.key() + "` | ");
  }

  @Test
  void page_rows_areNoMoreThanTheShapes() throws IOException {
    long rows = Files.readString(PAGE).lines().filter(line -> line.startsWith("| `")).count();
    assertThat(rows).isEqualTo(Shape.values().length - 1 + 1); // the head row starts so too
  }
}
