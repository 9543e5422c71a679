package dev.troupe.rlhf.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.function.LongConsumer;
import org.apache.parquet.ParquetReadOptions;
import org.apache.parquet.column.page.PageReadStore;
import org.apache.parquet.conf.PlainParquetConfiguration;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.convert.GroupRecordConverter;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.metadata.BlockMetaData;
import org.apache.parquet.hadoop.metadata.ColumnChunkMetaData;
import org.apache.parquet.io.ColumnIOFactory;
import org.apache.parquet.io.LocalInputFile;
import org.apache.parquet.io.RecordReader;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.schema.GroupType;
import org.apache.parquet.schema.LogicalTypeAnnotation;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.PrimitiveStringifier;
import org.apache.parquet.schema.PrimitiveType;
import org.apache.parquet.schema.Type;

/**
 * Reads a Parquet file, rows as JSON: lists and maps as such, numbers and text; other types as text
 * of their kind. A row's number takes the place of a line.
 */
final class ParquetRows {
  /** Letters of what Parquet's reader says. */
  private static final int LONGEST = 300;

  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private final Path path;
  private final RowSink sink;
  private final LongConsumer more;

  /** Bytes of pages; what the rows' texts have beyond them is told too. */
  private long pages;

  private long texts;

  /**
   * @param more hears of bytes that will be read, and may refuse them
   */
  ParquetRows(Path path, RowSink sink, LongConsumer more) {
    this.path = path;
    this.sink = sink;
    this.more = more;
  }

  void read() throws IOException {
    ParquetReadOptions options =
        ParquetReadOptions.builder(new PlainParquetConfiguration())
            .withCodecFactory(new ParquetCodecs(this::page))
            .usePageChecksumVerification()
            .build();
    try {
      ParquetClaims.checkFooter(path);
      read(options);
    } catch (DataException | Reading.Cancelled e) {
      throw e;
    } catch (IOException e) {
      throw new IOException(firstOf(e), e);
    } catch (RuntimeException e) { // Parquet's reader meets a broken file with any of them
      throw new DataException(path + ": is no sound Parquet file: " + firstOf(e), e);
    }
  }

  private void read(ParquetReadOptions options) throws IOException {
    try (ParquetFileReader reader = ParquetFileReader.open(new LocalInputFile(path), options)) {
      for (BlockMetaData block : reader.getRowGroups()) {
        checkCodecs(block);
        ParquetClaims.checkColumns(path, block);
      }
      readAll(reader);
    }
  }

  private void readAll(ParquetFileReader reader) throws IOException {
    MessageType schema = reader.getFileMetaData().getSchema();
    long number = 0;
    boolean wanted = true;
    for (PageReadStore pages = reader.readNextRowGroup();
        wanted && pages != null;
        pages = wanted ? reader.readNextRowGroup() : null) {
      RecordReader<Group> rows =
          new ColumnIOFactory()
              .getColumnIO(schema)
              .getRecordReader(pages, new GroupRecordConverter(schema));
      for (long i = 0; wanted && i < pages.getRowCount(); i++) {
        number++;
        Origin origin = new Origin(path.toString(), number);
        wanted = sink.row(object(rows.read(), schema, origin), origin);
      }
    }
  }

  private void page(long bytes) {
    more.accept(bytes);
    pages += bytes;
  }

  /** A dictionary has a text once, and each row that names it has it again. */
  private void text(long bytes) {
    texts += bytes;
    if (texts > pages) {
      page(texts - pages);
    }
  }

  private void checkCodecs(BlockMetaData block) {
    for (ColumnChunkMetaData chunk : block.getColumns()) {
      if (!ParquetCodecs.KNOWN.contains(chunk.getCodec())) {
        throw new DataException(path + ": " + ParquetCodecs.unknown(chunk.getCodec()));
      }
    }
  }

  /** Parquet quotes the whole footer. */
  private static String firstOf(Exception e) {
    String line = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
    return line.length() > LONGEST ? line.substring(0, LONGEST) + "…" : line;
  }

  private ObjectNode object(Group group, GroupType type, Origin origin) {
    ObjectNode object = JSON.objectNode();
    for (int i = 0; i < type.getFieldCount(); i++) {
      Type field = type.getType(i);
      object.set(field.getName(), field(group, i, field, origin));
    }
    return object;
  }

  private JsonNode field(Group group, int index, Type field, Origin origin) {
    int count = group.getFieldRepetitionCount(index);
    if (field.isRepetition(Type.Repetition.REPEATED)) {
      ArrayNode list = JSON.arrayNode();
      for (int i = 0; i < count; i++) {
        list.add(value(group, index, i, field, origin));
      }
      return list;
    }
    return count == 0 ? JSON.nullNode() : value(group, index, 0, field, origin);
  }

  private JsonNode value(Group group, int index, int item, Type field, Origin origin) {
    if (field.isPrimitive()) {
      return primitive(group, index, item, field.asPrimitiveType(), origin);
    }
    Group inner = group.getGroup(index, item);
    GroupType type = field.asGroupType();
    LogicalTypeAnnotation kind = type.getLogicalTypeAnnotation();
    if (kind instanceof LogicalTypeAnnotation.ListLogicalTypeAnnotation) {
      return list(inner, type, origin);
    }
    if (kind instanceof LogicalTypeAnnotation.MapLogicalTypeAnnotation
        || kind instanceof LogicalTypeAnnotation.MapKeyValueTypeAnnotation) {
      return map(inner, type, origin);
    }
    return object(inner, type, origin);
  }

  /**
   * A list is a group of a repeated group of one element; an old one repeats the element itself.
   */
  private ArrayNode list(Group group, GroupType type, Origin origin) {
    ArrayNode list = JSON.arrayNode();
    Type repeated = type.getType(0);
    for (int i = 0; i < group.getFieldRepetitionCount(0); i++) {
      boolean wrapped =
          !repeated.isPrimitive()
              && repeated.asGroupType().getFieldCount() == 1
              && !repeated.getName().equals("array")
              && !repeated.getName().equals(type.getName() + "_tuple");
      list.add(
          wrapped
              ? field(group.getGroup(0, i), 0, repeated.asGroupType().getType(0), origin)
              : value(group, 0, i, repeated, origin));
    }
    return list;
  }

  private ObjectNode map(Group group, GroupType type, Origin origin) {
    ObjectNode map = JSON.objectNode();
    GroupType pair = type.getType(0).asGroupType();
    for (int i = 0; i < group.getFieldRepetitionCount(0); i++) {
      Group entry = group.getGroup(0, i);
      String key = field(entry, 0, pair.getType(0), origin).asText();
      map.set(
          key,
          pair.getFieldCount() < 2 ? JSON.nullNode() : field(entry, 1, pair.getType(1), origin));
    }
    return map;
  }

  private JsonNode primitive(Group group, int index, int item, PrimitiveType type, Origin origin) {
    if (isNoPlainNumber(type)) {
      return JSON.textNode(stringified(group, index, item, type));
    }
    return switch (type.getPrimitiveTypeName()) {
      case BOOLEAN -> JSON.booleanNode(group.getBoolean(index, item));
      case INT32 -> JSON.numberNode(group.getInteger(index, item));
      case INT64 -> JSON.numberNode(group.getLong(index, item));
      case FLOAT -> JSON.numberNode((double) group.getFloat(index, item));
      case DOUBLE -> JSON.numberNode(group.getDouble(index, item));
      case BINARY -> binary(sound(group.getBinary(index, item)).getBytes(), type, origin);
      case INT96, FIXED_LEN_BYTE_ARRAY ->
          JSON.textNode(stringified(group, index, item, type)); // no number without a meaning
    };
  }

  /** Decimals, dates, times and unsigned numbers are stored as other numbers than they are. */
  private static boolean isNoPlainNumber(PrimitiveType type) {
    LogicalTypeAnnotation kind = type.getLogicalTypeAnnotation();
    return kind instanceof LogicalTypeAnnotation.DecimalLogicalTypeAnnotation
        || kind instanceof LogicalTypeAnnotation.DateLogicalTypeAnnotation
        || kind instanceof LogicalTypeAnnotation.TimeLogicalTypeAnnotation
        || kind instanceof LogicalTypeAnnotation.TimestampLogicalTypeAnnotation
        || (kind instanceof LogicalTypeAnnotation.IntLogicalTypeAnnotation whole
            && !whole.isSigned());
  }

  /**
   * A dictionary's entries are as long as they say until somebody looks; this looks, before room is
   * made for one.
   *
   * @throws IllegalArgumentException when the dictionary is shorter
   */
  private Binary sound(Binary value) {
    ByteBuffer bytes = value.toByteBuffer();
    text(bytes.remaining());
    return Binary.fromConstantByteBuffer(bytes);
  }

  /** As a person writes it. */
  private String stringified(Group group, int index, int item, PrimitiveType type) {
    PrimitiveStringifier as = type.stringifier();
    return switch (type.getPrimitiveTypeName()) {
      case INT32 -> as.stringify(group.getInteger(index, item));
      case INT64 -> as.stringify(group.getLong(index, item));
      case INT96 -> as.stringify(group.getInt96(index, item));
      case BINARY, FIXED_LEN_BYTE_ARRAY -> as.stringify(sound(group.getBinary(index, item)));
      case BOOLEAN, FLOAT, DOUBLE -> throw new IllegalStateException(type + " is a plain number");
    };
  }

  /** Text, unless the file says that it is none; then its length, for who looks at it. */
  private static JsonNode binary(byte[] bytes, PrimitiveType type, Origin origin) {
    LogicalTypeAnnotation kind = type.getLogicalTypeAnnotation();
    boolean text =
        kind instanceof LogicalTypeAnnotation.StringLogicalTypeAnnotation
            || kind instanceof LogicalTypeAnnotation.EnumLogicalTypeAnnotation
            || kind instanceof LogicalTypeAnnotation.JsonLogicalTypeAnnotation;
    return text
        ? JSON.textNode(Utf8Lines.text(bytes, origin.toString() + ", " + type.getName()))
        : JSON.binaryNode(bytes);
  }
}
