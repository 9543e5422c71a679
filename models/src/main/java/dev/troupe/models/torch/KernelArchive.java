package dev.troupe.models.torch;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * A TorchScript archive made of text: one class with typed attributes; {@code torch.jit.load} reads
 * it too. The format version is 10: with 3, the loader would bring back the integer division of old
 * versions (1 / 2 = 0).
 */
public final class KernelArchive {
  private static final String VERSION = "10\n";

  private KernelArchive() {}

  /**
   * @param methods plain {@code def name(self, …)} functions
   * @param attributes values of {@code self.name}: Long, Double, Boolean or long[]
   */
  public static byte[] of(String methods, Map<String, Object> attributes) {
    StringBuilder code =
        new StringBuilder(
            "class Kernels(Module):\n  __parameters__ = []\n  __buffers__ = []\n  training : bool\n");
    attributes.forEach(
        (name, value) ->
            code.append("  ").append(name).append(" : ").append(type(value)).append('\n'));
    for (String line : methods.split("\n", -1)) {
      code.append(line.isBlank() ? "" : "  " + line).append('\n');
    }
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      zip.setMethod(ZipOutputStream.STORED);
      put(zip, "k/data.pkl", pickle(attributes));
      put(zip, "k/code/__torch__.py", code.toString().getBytes(StandardCharsets.UTF_8));
      put(zip, "k/constants.pkl", new byte[] {(byte) 0x80, 2, ')', '.'});
      put(zip, "k/version", VERSION.getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  /** Lines that {@link #of} puts before the methods; torch's messages count them. */
  static int headerLines(Map<String, Object> attributes) {
    return 4 + attributes.size();
  }

  private static String type(Object value) {
    if (value instanceof Long) {
      return "int";
    } else if (value instanceof Double) {
      return "float";
    } else if (value instanceof Boolean) {
      return "bool";
    } else if (value instanceof long[]) {
      return "List[int]";
    } else if (value instanceof double[]) {
      return "List[float]";
    }
    throw new IllegalArgumentException("attribute of type " + value.getClass());
  }

  private static byte[] pickle(Map<String, Object> attributes) {
    Pickle pickle = new Pickle();
    pickle.raw(0x80, 2).text("c__torch__\nKernels\n").raw(')', 0x81, '}', '(');
    pickle.string("training").raw(0x89);
    attributes.forEach((name, value) -> pickle.string(name).value(value));
    return pickle.raw('u', 'b', '.').bytes();
  }

  private static void put(ZipOutputStream zip, String name, byte[] content) throws IOException {
    ZipEntry entry = new ZipEntry(name);
    CRC32 crc = new CRC32();
    crc.update(content);
    entry.setCrc(crc.getValue());
    entry.setSize(content.length);
    entry.setCompressedSize(content.length);
    zip.putNextEntry(entry);
    zip.write(content);
    zip.closeEntry();
  }

  /** Python's pickle, protocol 2, as far as attributes need it. */
  private static final class Pickle {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    Pickle raw(int... codes) {
      for (int code : codes) {
        out.write(code);
      }
      return this;
    }

    Pickle text(String text) {
      out.writeBytes(text.getBytes(StandardCharsets.UTF_8));
      return this;
    }

    Pickle string(String text) {
      byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
      return raw('X').littleEndian(utf8.length, 4).text(text);
    }

    Pickle value(Object value) {
      if (value instanceof Long number) {
        return raw(0x8a, 8).littleEndian(number, 8);
      } else if (value instanceof Double number) {
        long bits = Double.doubleToLongBits(number);
        raw('G');
        for (int shift = 56; shift >= 0; shift -= 8) {
          raw((int) (bits >> shift) & 0xff);
        }
        return this;
      } else if (value instanceof Boolean flag) {
        return raw(flag ? 0x88 : 0x89);
      }
      if (value instanceof double[] numbers) {
        text("ctorch.jit._pickle\nbuild_doublelist\n").raw('(', ']', '(');
        for (double number : numbers) {
          value(number);
        }
        return raw('e', 't', 'R');
      }
      text("ctorch.jit._pickle\nbuild_intlist\n").raw('(', ']', '(');
      for (long number : (long[]) value) {
        value(number);
      }
      return raw('e', 't', 'R');
    }

    Pickle littleEndian(long value, int count) {
      for (int i = 0; i < count; i++) {
        raw((int) (value >> (8 * i)) & 0xff);
      }
      return this;
    }

    byte[] bytes() {
      return out.toByteArray();
    }
  }
}
