package dev.troupe.rlhf.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.zip.GZIPInputStream;

/** Reads the records of a source, from all of its files. */
public final class RecordFile {
  private static final int MEGABYTE = 1 << 20;
  private static final long HEAP = Runtime.getRuntime().maxMemory();

  private final SourceConfig source;
  private final int maxRecords;
  private final int maxMegabytes;
  private final boolean byHeap;
  private final Extras extras;
  private final Reading reading;
  private final List<DataRecord> records = new ArrayList<>();
  private final Map<String, Integer> unread = new TreeMap<>();
  private final Map<String, Integer> kept = new TreeMap<>();
  private Optional<Recognised> first = Optional.empty();
  private long bytes;

  /** What becomes of fields that no prompt and no answer is made of. */
  enum Extras {
    /** They are told of, and dropped. */
    TOLD,
    /** Each record is a {@link DataRecord.Task}, which keeps them. */
    KEPT,
    /** Each record is {@link DataRecord.Judged} by its label; the others are told of. */
    LABELLED,
    /** Each record is {@link DataRecord.Judged} by its score; the others are told of. */
    SCORED;

    private DataRecord with(DataRecord record, Fields fields) {
      return switch (this) {
        case TOLD -> record;
        case KEPT -> TaskParser.task(record, fields);
        case LABELLED -> JudgedParser.labelled(record, fields);
        case SCORED -> JudgedParser.scored(record, fields);
      };
    }
  }

  private record Recognised(Shape shape, Origin origin) {}

  private RecordFile(
      SourceConfig source, int maxRecords, int maxMegabytes, Extras extras, Reading reading) {
    this.source = source;
    this.extras = extras;
    this.maxRecords = maxRecords;
    this.maxMegabytes = DataConfig.megabytes(maxMegabytes, HEAP);
    this.byHeap = maxMegabytes == 0;
    this.reading = reading;
  }

  /** The records of a source by the default bounds, unwatched. */
  public static List<DataRecord> read(SourceConfig source) {
    return read(source, DataConfig.MAX_RECORDS, DataConfig.MAX_MEGABYTES, Reading.unwatched());
  }

  /**
   * The records of a source, in its files' order, up to its limit.
   *
   * @param maxRecords more than this are an error
   * @param maxMegabytes more than this are an error; not compressed; 0 for what the heap allows
   * @param reading hears of fields that no record used
   * @throws DataException when a file is missing, empty, broken, too large or of mixed kinds
   * @throws Reading.Cancelled when it was
   */
  static List<DataRecord> read(
      SourceConfig source, int maxRecords, int maxMegabytes, Reading reading) {
    return read(source, maxRecords, maxMegabytes, Extras.TOLD, reading);
  }

  /** The same, each record a task if {@code extras} are kept. */
  static List<DataRecord> read(
      SourceConfig source, int maxRecords, int maxMegabytes, Extras extras, Reading reading) {
    RecordFile file = new RecordFile(source, maxRecords, maxMegabytes, extras, reading);
    SourceFiles files = SourceFiles.of(source.path());
    for (Path path : files.files()) {
      if (!file.full()) {
        file.read(path);
      }
    }
    if (!files.unread().isEmpty()) {
      reading.notice(
          source.path()
              + ": left unread: "
              + files.unread().stream()
                  .map(entry -> String.valueOf(entry.getFileName()))
                  .collect(Collectors.joining(", ")));
    }
    file.tell("kept for rewards", file.kept);
    file.tell("left unused", file.unread);
    return List.copyOf(file.records);
  }

  private void tell(String what, Map<String, Integer> fields) {
    if (!fields.isEmpty()) {
      reading.notice(
          source.path()
              + ": "
              + what
              + ": "
              + fields.entrySet().stream()
                  .map(
                      field ->
                          source.columns().inFile(field.getKey())
                              + " ("
                              + Counted.of(field.getValue(), "records")
                              + ")")
                  .collect(Collectors.joining(", ")));
    }
  }

  private void read(Path path) {
    int before = records.size();
    String name = path.toString();
    FileFormat format = FileFormat.of(path).orElseThrow();
    try {
      if (format == FileFormat.PARQUET) {
        new ParquetRows(path, this::row, this::more).read();
      } else {
        try (InputStream in = open(path)) {
          switch (format) {
            case JSON -> new JsonRows(name, this::row).read(in);
            case CSV -> new TableRows(name, ',', this::row).read(in);
            case TSV -> new TableRows(name, '\t', this::row).read(in);
            case PARQUET -> throw new IllegalStateException("not a stream");
          }
        }
      }
    } catch (IOException e) {
      throw new DataException(name + ": can't be read, it may be cut off: " + e.getMessage(), e);
    }
    if (records.size() == before) {
      throw new DataException(
          name + ": is empty, expected at least one record, for instance " + example());
    }
  }

  private String example() {
    Shape shape = source.shape() == Shape.AUTO ? Shape.PROMPT_COMPLETION : source.shape();
    return shape.layout();
  }

  private InputStream open(Path path) throws IOException {
    InputStream raw = Files.newInputStream(path);
    try {
      InputStream plain = FileFormat.isZipped(path) ? new GZIPInputStream(raw, 1 << 16) : raw;
      return new BufferedInputStream(new BoundedInput(plain, this::more), 1 << 16);
    } catch (IOException e) {
      raw.close();
      throw e;
    }
  }

  /** Bytes of a file, not compressed. */
  private void more(long count) {
    bytes += count;
    if (bytes > (long) maxMegabytes * MEGABYTE) {
      throw new DataException(
          source.path()
              + ": has more than "
              + maxMegabytes
              + " MiB of text, not compressed"
              + (byHeap
                  ? ", a quarter of the heap of "
                      + (HEAP >> 20)
                      + " MiB; read fewer records (limit), or give the JVM more heap (TROUPE_HEAP="
                      + moreHeap()
                      + ", or -Xmx)"
                  : " (data.max-megabytes); read fewer records (limit), or raise the bound if the"
                      + " heap holds four times as much (TROUPE_HEAP)"));
    }
    reading.tick("reading " + source.path(), records.size(), "records");
  }

  private void checkHeap() {
    if (HeapRoom.isScarce()) {
      throw new DataException(
          source.path()
              + ": the JVM's heap of "
              + (HEAP >> 20)
              + " MiB is nearly full after "
              + Counted.of(records.size(), "records")
              + "; read fewer (limit), or give it more (TROUPE_HEAP="
              + moreHeap()
              + ", or -Xmx)");
    }
  }

  /** Twice as much, in GiB. */
  private static String moreHeap() {
    return Math.max(2, Math.round(2.0 * HEAP / (1L << 30))) + "g";
  }

  private boolean full() {
    return source.limit().isPresent() && records.size() >= source.limit().get();
  }

  private boolean row(JsonNode given, Origin origin) {
    if ((records.size() & 0xff) == 0) {
      checkHeap();
      reading.tick("reading " + source.path(), records.size(), "records");
    }
    JsonNode row = source.columns().renamed(without(given), origin);
    JsonValues.checkText(row, "", origin);
    Fields fields = new Fields(row, origin);
    for (DataRecord record : RecordParser.parse(shape(row, origin), fields)) {
      if (!full()) {
        records.add(extras.with(record, fields));
      }
    }
    fields.kept().forEach(name -> kept.merge(name, 1, Integer::sum));
    fields.unread().forEach(name -> unread.merge(name, 1, Integer::sum));
    if (records.size() > maxRecords) {
      throw DataException.at(
          origin,
          "is record "
              + records.size()
              + ", and data.max-records is "
              + maxRecords
              + "; read fewer of this source (limit), or raise the bound if the memory holds them");
    }
    return !full();
  }

  /** Without what the source ignores. */
  private JsonNode without(JsonNode row) {
    return row instanceof ObjectNode object && !source.ignore().isEmpty()
        ? object.deepCopy().remove(source.ignore())
        : row;
  }

  private Shape shape(JsonNode row, Origin origin) {
    if (source.shape() != Shape.AUTO) {
      return source.shape();
    }
    Shape shape = RecordParser.recognise(row, origin);
    if (first.isEmpty()) {
      first = Optional.of(new Recognised(shape, origin));
    }
    Recognised expected = first.get();
    if (shape != expected.shape()
        && !(extras == Extras.KEPT && TaskParser.alike(shape, expected.shape()))) {
      String where =
          expected.origin().file().equals(origin.file())
              ? "line " + expected.origin().line()
              : expected.origin().toString();
      throw DataException.at(
          origin,
          Fields.found(row)
              + ", which is a record of shape "
              + shape.key()
              + ", but "
              + where
              + " is of shape "
              + expected.shape().key()
              + ". A source holds one kind of record: split it, or name the shape to read all"
              + " records as");
    }
    return shape;
  }
}
