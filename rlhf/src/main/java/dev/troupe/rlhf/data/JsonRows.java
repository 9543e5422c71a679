package dev.troupe.rlhf.data;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.PushbackInputStream;
import java.util.Optional;

/**
 * Reads one JSON value per line, or one JSON array. Which of the two it is, its first character
 * says, since many .json files hold lines.
 */
final class JsonRows {
  private final String file;
  private final RowSink sink;
  private long inRow;

  JsonRows(String file, RowSink sink) {
    this.file = file;
    this.sink = sink;
  }

  void read(InputStream bytes) throws IOException {
    PushbackInputStream from = new PushbackInputStream(bytes, 3);
    skipMark(from);
    // Blanks before the first value are lines, which are counted.
    long line = 1;
    int next = from.read();
    while (next == ' ' || next == '\t' || next == '\r' || next == '\n') {
      line += next == '\n' ? 1 : 0;
      next = from.read();
    }
    if (next < 0) {
      return;
    }
    from.unread(next);
    if (next == '[') {
      readArray(new BoundedInput(from, this::inRow), line);
    } else {
      readLines(from, line);
    }
  }

  private static void skipMark(PushbackInputStream from) throws IOException {
    byte[] mark = from.readNBytes(3);
    boolean marked =
        mark.length == 3
            && mark[0] == (byte) 0xef
            && mark[1] == (byte) 0xbb
            && mark[2] == (byte) 0xbf;
    if (!marked) {
      from.unread(mark);
    }
  }

  private void readLines(InputStream bytes, long first) throws IOException {
    Utf8Lines lines = new Utf8Lines(bytes, file, first - 1);
    boolean more = true;
    for (Optional<String> line = lines.next(); more && line.isPresent(); ) {
      if (!line.get().isBlank()) {
        more = sink.row(parse(line.get(), lines.origin()), lines.origin());
      }
      line = more ? lines.next() : Optional.empty();
    }
  }

  private static JsonNode parse(String line, Origin origin) {
    try {
      return JsonValues.STRICT.readTree(line);
    } catch (JsonProcessingException e) {
      throw new DataException(
          origin
              + ": is not valid JSON at column "
              + (e.getLocation() == null ? "?" : e.getLocation().getColumnNr())
              + " ("
              + JsonValues.reason(e)
              + "); expected one whole JSON value on each line",
          e);
    }
  }

  private void inRow(long bytes) {
    inRow += bytes;
    // The parser reads ahead by no more than its buffer.
    if (inRow > Utf8Lines.LONGEST_LINE + (1 << 16)) {
      throw new DataException(
          file + ": has a record of more than " + Utf8Lines.LONGEST_LINE + " bytes; leave it out");
    }
  }

  private void readArray(InputStream bytes, long first) throws IOException {
    try (JsonParser parser = JsonValues.VALUES.createParser(bytes)) {
      parser.nextToken();
      boolean more = true;
      while (more && parser.nextToken() != JsonToken.END_ARRAY) {
        inRow = 0;
        Origin origin = new Origin(file, first - 1 + parser.currentTokenLocation().getLineNr());
        JsonNode row = JsonValues.VALUES.readTree(parser);
        more = sink.row(row, origin);
      }
      if (more && parser.nextToken() != null) {
        throw DataException.at(
            new Origin(file, first - 1 + parser.currentTokenLocation().getLineNr()),
            "something follows the JSON array; expected one array of records and nothing else");
      }
    } catch (JsonProcessingException e) {
      long line = e.getLocation() == null ? 1 : e.getLocation().getLineNr();
      Origin origin = new Origin(file, first - 1 + line);
      throw e.getOriginalMessage().startsWith("Invalid UTF-8")
          ? new DataException(origin + ": " + Utf8Lines.NOT_UTF8, e)
          : new DataException(
              origin
                  + ": is not valid JSON ("
                  + JsonValues.reason(e)
                  + "); expected one JSON array of records",
              e);
    }
  }
}
