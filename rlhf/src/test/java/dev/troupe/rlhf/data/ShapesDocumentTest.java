package dev.troupe.rlhf.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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
    String page = Files.readString(PAGE);
    String shapes = page.substring(page.indexOf("## Shapes"), page.indexOf("## Turns"));
    long rows = shapes.lines().filter(line -> line.startsWith("| `")).count();
    assertThat(rows).isEqualTo(Shape.values().length - 1 + 1); // the head row starts so too
  }

  /** The page's records are records, and nothing of them is left unused. */
  @Test
  void page_records_areRead() throws IOException {
    Matcher block = Pattern.compile("```json\n(.*?)```", Pattern.DOTALL).matcher(readPage());
    int count = 0;
    while (block.find()) {
      Fields fields =
          new Fields(JsonValues.STRICT.readTree(block.group(1)), new Origin("data.md", 1));
      assertThat(RecordParser.parse(Shape.AUTO, fields)).hasSize(1);
      assertThat(fields.unread()).isEmpty();
      count++;
    }
    assertThat(count).isEqualTo(1);
  }

  private static String readPage() throws IOException {
    return Files.readString(PAGE);
  }
}
