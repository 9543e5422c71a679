package dev.troupe.dashboard.tensorboard;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * TensorFlow's record framing, all little-endian: length (8 bytes), masked CRC of the length (4),
 * the bytes, masked CRC of the bytes (4). Source: tensorflow/core/lib/io/record_writer.h.
 */
final class TfRecord {
  private TfRecord() {}

  static void write(OutputStream output, byte[] bytes) throws IOException {
    ByteBuffer head = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
    head.putLong(bytes.length);
    head.putInt(maskedCrc(head.array(), 8));
    output.write(head.array());
    output.write(bytes);
    output.write(
        ByteBuffer.allocate(4)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putInt(maskedCrc(bytes, bytes.length))
            .array());
  }

  /** The records of a file that {@link #write} wrote. */
  static List<byte[]> read(byte[] file) {
    List<byte[]> records = new ArrayList<>();
    ByteBuffer buffer = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    while (buffer.hasRemaining()) {
      byte[] record = new byte[Math.toIntExact(buffer.getLong())];
      buffer.getInt();
      buffer.get(record);
      buffer.getInt();
      records.add(record);
    }
    return records;
  }

  /** CRC-32C of the first bytes, rotated and shifted so that a CRC of CRCs stays a good check. */
  static int maskedCrc(byte[] bytes, int length) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, 0, length);
    return Integer.rotateRight((int) crc.getValue(), 15) + 0xa282ead8;
  }
}
