package dev.troupe.rlhf.data;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;

/**
 * Reads a file of records: one JSON value per line, or one JSON array; gzipped or not. Which of the
 * two it is, its first character says, since many .json files hold lines.
 */
public final class RecordFile {
  private static final Pattern KNOWN = Pattern.compile(".*\\.(jsonl|ndjson|json)(\\.gz)?");

  /** Blanks and byte order mark that may come before the first record. */
  private static final int LONGEST_START = 1 << 15;

  /** Guards the memory against a small compressed file of one endless line. */
  private static final int LONGEST_LINE = 32 << 20;

  private static final JsonMapper ELEMENTS = JsonMapper.builder().build();
  private static final JsonMapper LINES =
      JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

  private final SourceConfig source;
  private final List<DataRecord> records = new ArrayList<>();
  private Optional<Recognised> first = Optional.empty();

  private record Recognised(Shape shape, Origin origin) {}

  private RecordFile(SourceConfig source) {
    this.source = source;
  }

  /**
   * The records of a source, in the file's order, up to its limit.
   *
   * @throws DataException when the file is missing, empty, broken or of mixed kinds
   */
  public static List<DataRecord> read(SourceConfig source) {
    RecordFile file = new RecordFile(source);
    file.readAll();
    return List.copyOf(file.records);
  }

  private void readAll() {
    Path path = Path.of(source.path());
    if (!KNOWN.matcher(source.path()).matches()) {
      throw new DataException(
          source.path() + ": expected a .jsonl, .jsonl.gz, .json or .json.gz file");
    }
    if (!Files.isRegularFile(path)) {
      throw new DataException(
          source.path() + ": there is no such file (looked for " + path.toAbsolutePath() + ")");
    }
    try (InputStream bytes = open(path)) {
      boolean array = startsWithBracket(bytes);
      if (array) {
        readArray(bytes);
      } else {
        readLines(bytes);
      }
    } catch (CharacterCodingException e) {
      throw new DataException(source.path() + ": is not UTF-8 text; convert it first", e);
    } catch (IOException e) {
      throw new DataException(
          source.path() + ": can't be read, it may be cut off: " + e.getMessage(), e);
    }
    if (records.isEmpty()) {
      throw new DataException(
          source.path() + ": is empty, expected at least one record, for instance " + example());
    }
  }

  private String example() {
    Shape shape = source.shape() == Shape.AUTO ? Shape.PROMPT_COMPLETION : source.shape();
    return shape.layout();
  }

  private static InputStream open(Path path) throws IOException {
    InputStream raw = new BufferedInputStream(Files.newInputStream(path), 1 << 16);
    if (!path.toString().endsWith(".gz")) {
      return raw;
    }
    try {
      return new BufferedInputStream(new GZIPInputStream(raw, 1 << 16), 1 << 16);
    } catch (IOException e) {
      raw.close();
      throw e;
    }
  }

  private static boolean startsWithBracket(InputStream bytes) throws IOException {
    bytes.mark(LONGEST_START);
    int next = bytes.read();
    for (int read = 1;
        read < LONGEST_START && " \t\r\n\u00ef\u00bb\u00bf".indexOf(next) >= 0;
        read++) {
      next = bytes.read();
    }
    bytes.reset();
    return next == '[';
  }

  private void readLines(InputStream bytes) throws IOException {
    BufferedReader reader =
        new BufferedReader(
            new InputStreamReader(
                bytes,
                StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .onUnmappableCharacter(CodingErrorAction.REPORT)));
    long number = 0;
    for (String line = readLine(reader, 1);
        line != null && !full();
        line = readLine(reader, number + 1)) {
      number++;
      String json = number == 1 && line.startsWith("\ufeff") ? line.substring(1) : line;
      if (!json.isBlank()) {
        Origin origin = new Origin(source.path(), number);
        add(parseLine(json, origin), origin);
      }
    }
  }

  /** As {@link BufferedReader#readLine}, but never more than a record can be. */
  private @Nullable String readLine(BufferedReader reader, long number) throws IOException {
    StringBuilder line = new StringBuilder();
    int next = reader.read();
    if (next < 0) {
      return null;
    }
    while (next >= 0 && next != '\n') {
      if (line.length() == LONGEST_LINE) {
        throw new DataException(
            new Origin(source.path(), number)
                + ": is longer than "
                + LONGEST_LINE
                + " characters; expected one record on each line");
      }
      line.append((char) next);
      next = reader.read();
    }
    return line.toString();
  }

  private static JsonNode parseLine(String line, Origin origin) {
    try {
      return LINES.readTree(line);
    } catch (JsonProcessingException e) {
      throw new DataException(
          origin
              + ": is not valid JSON at column "
              + (e.getLocation() == null ? "?" : e.getLocation().getColumnNr())
              + " ("
              + e.getOriginalMessage()
              + "); expected one whole JSON value on each line",
          e);
    }
  }

  private void readArray(InputStream bytes) throws IOException {
    try (JsonParser parser = ELEMENTS.createParser(bytes)) {
      parser.nextToken();
      while (parser.nextToken() != JsonToken.END_ARRAY && !full()) {
        Origin origin = new Origin(source.path(), parser.currentTokenLocation().getLineNr());
        add(ELEMENTS.readTree(parser), origin);
      }
      if (!full() && parser.nextToken() != null) {
        throw DataException.at(
            new Origin(source.path(), parser.currentTokenLocation().getLineNr()),
            "something follows the JSON array; expected one array of records and nothing else");
      }
    } catch (JsonProcessingException e) {
      long line = e.getLocation() == null ? 1 : e.getLocation().getLineNr();
      throw new DataException(
          new Origin(source.path(), line)
              + ": is not valid JSON ("
              + e.getOriginalMessage()
              + "); expected one JSON array of records",
          e);
    }
  }

  private boolean full() {
    return source.limit().isPresent() && records.size() >= source.limit().get();
  }

  private void add(JsonNode node, Origin origin) {
    for (DataRecord record : RecordParser.parse(shape(node, origin), node, origin)) {
      if (!full()) {
        records.add(record);
      }
    }
  }

  private Shape shape(JsonNode node, Origin origin) {
    if (source.shape() != Shape.AUTO) {
      return source.shape();
    }
    Shape shape = RecordParser.recognise(node, origin);
    if (first.isEmpty()) {
      first = Optional.of(new Recognised(shape, origin));
    }
    Recognised expected = first.get();
    if (shape != expected.shape()) {
      throw DataException.at(
          origin,
          RecordParser.found(node)
              + ", which is a record of shape "
              + RecordParser.name(shape)
              + ", but line "
              + expected.origin().line()
              + " is of shape "
              + RecordParser.name(expected.shape())
              + ". A file holds one kind of record: split it, or name the shape to read all records"
              + " as");
    }
    return shape;
  }
}
