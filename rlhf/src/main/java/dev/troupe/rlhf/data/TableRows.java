package dev.troupe.rlhf.data;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import de.siegmar.fastcsv.reader.CsvParseException;
import de.siegmar.fastcsv.reader.CsvReader;
import de.siegmar.fastcsv.reader.CsvRecord;
import de.siegmar.fastcsv.reader.FieldMismatchStrategy;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Reads a table in text (RFC 4180), whose first line names its columns. Every cell is text. */
final class TableRows {
  private final String file;
  private final char separator;
  private final RowSink sink;

  TableRows(String file, char separator, RowSink sink) {
    this.file = file;
    this.separator = separator;
    this.sink = sink;
  }

  void read(InputStream bytes) throws IOException {
    Utf8Lines text = new Utf8Lines(bytes, file, 0);
    long line = 1;
    try (CsvReader<CsvRecord> reader =
        CsvReader.builder()
            .fieldSeparator(separator)
            .allowUnclosedQuote(false)
            .maxBufferSize(Utf8Lines.LONGEST_LINE)
            // Told by a message of ours.
            .extraFieldStrategy(FieldMismatchStrategy.IGNORE)
            .missingFieldStrategy(FieldMismatchStrategy.IGNORE)
            .ofCsvRecord(text)) {
      List<String> names = List.of();
      boolean more = true;
      for (var rows = reader.iterator(); more && rows.hasNext(); ) {
        CsvRecord row = rows.next();
        line = row.getStartingLineNumber();
        Origin origin = new Origin(file, line);
        if (names.isEmpty()) {
          names = names(row.getFields(), origin);
        } else {
          more = sink.row(object(names, row.getFields(), origin), origin);
        }
      }
    } catch (CsvParseException e) {
      if (e.getCause() instanceof DataException || e.getCause() instanceof Reading.Cancelled) {
        throw (RuntimeException) e.getCause();
      }
      throw new DataException(new Origin(file, line) + ": is no CSV from here on: " + reason(e), e);
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  private static String reason(CsvParseException e) {
    Throwable cause = e.getCause();
    return String.valueOf(cause == null ? e.getMessage() : cause.getMessage());
  }

  private static List<String> names(List<String> header, Origin origin) {
    List<String> names = new ArrayList<>(header);
    if (names.get(0).startsWith("\ufeff")) {
      names.set(0, names.get(0).substring(1));
    }
    Set<String> seen = new HashSet<>();
    for (String name : names) {
      if (!seen.add(name)) {
        throw DataException.at(
            origin,
            "names the column \"" + name + "\" twice; the first line names each column once");
      }
    }
    return names;
  }

  private static ObjectNode object(List<String> names, List<String> cells, Origin origin) {
    if (cells.size() != names.size()) {
      throw DataException.at(
          origin,
          "has "
              + cells.size()
              + (cells.size() == 1 ? " cell" : " cells")
              + " and the first line names "
              + names.size()
              + " columns; put a text with separators or line breaks in double quotes");
    }
    ObjectNode object = JsonNodeFactory.instance.objectNode();
    for (int i = 0; i < names.size(); i++) {
      object.put(names.get(i), cells.get(i));
    }
    return object;
  }
}
