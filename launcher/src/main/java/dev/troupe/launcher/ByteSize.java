package dev.troupe.launcher;

import java.math.BigDecimal;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A number of bytes as people write it: 500MB (powers of 1000) or 500MiB (powers of 1024). */
record ByteSize(long bytes) {
  private static final Pattern WRITTEN =
      Pattern.compile("(\\d{1,9}(?:\\.\\d{1,3})?) ?([kmgt]?i?b)", Pattern.CASE_INSENSITIVE);

  private static final Map<String, Long> UNITS =
      Map.of(
          "b", 1L,
          "kb", 1_000L,
          "mb", 1_000_000L,
          "gb", 1_000_000_000L,
          "tb", 1_000_000_000_000L,
          "kib", 1L << 10,
          "mib", 1L << 20,
          "gib", 1L << 30,
          "tib", 1L << 40);

  @Override
  public String toString() {
    return bytes % 1_000_000_000 == 0 ? bytes / 1_000_000_000 + "GB" : bytes + "B";
  }

  /** Reads one from the command line. */
  static final class Converter implements ITypeConverter<ByteSize> {
    @Override
    public ByteSize convert(String value) {
      Matcher matcher = WRITTEN.matcher(value.strip());
      Long unit = matcher.matches() ? UNITS.get(matcher.group(2).toLowerCase(Locale.ROOT)) : null;
      if (unit == null) {
        throw new TypeConversionException(
            "'" + value + "' is no size; expected for example 500MB, 2GB or 2GiB");
      }
      long bytes = new BigDecimal(matcher.group(1)).multiply(BigDecimal.valueOf(unit)).longValue();
      if (bytes < 1) {
        throw new TypeConversionException("'" + value + "' is no size; expected at least 1B");
      }
      return new ByteSize(bytes);
    }
  }
}
