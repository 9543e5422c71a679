package dev.troupe.models.tokenizer.jinja;

import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** {@code strftime} in the C locale, for a time without a zone. */
final class Strftime {
  private static final Map<Character, String> PATTERNS =
      Map.ofEntries(
          Map.entry('Y', "yyyy"),
          Map.entry('y', "yy"),
          Map.entry('m', "MM"),
          Map.entry('d', "dd"),
          Map.entry('H', "HH"),
          Map.entry('I', "hh"),
          Map.entry('M', "mm"),
          Map.entry('S', "ss"),
          Map.entry('f', "SSSSSS"),
          Map.entry('p', "a"),
          Map.entry('b', "MMM"),
          Map.entry('h', "MMM"),
          Map.entry('B', "MMMM"),
          Map.entry('a', "EEE"),
          Map.entry('A', "EEEE"),
          Map.entry('j', "DDD"),
          Map.entry('F', "yyyy-MM-dd"),
          Map.entry('T', "HH:mm:ss"),
          Map.entry('R', "HH:mm"),
          Map.entry('D', "MM/dd/yy"),
          Map.entry('x', "MM/dd/yy"),
          Map.entry('X', "HH:mm:ss"),
          Map.entry('e', "ppd"),
          Map.entry('c', "EEE MMM ppd HH:mm:ss yyyy"));

  private Strftime() {}

  static String format(String format, LocalDateTime time) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%') {
        text.append(c);
        continue;
      }
      boolean bare = format.startsWith("%-", i);
      i += bare ? 2 : 1;
      String field = i < format.length() ? field(format.charAt(i), time) : null;
      if (field == null) {
        throw JinjaException.unsupported("the format '" + format + "' of strftime_now");
      }
      // glibc's hyphen takes the zeros off, but leaves one digit.
      text.append(bare ? field.replaceFirst("^[0 ]+(?=\\d)", "") : field);
    }
    return text.toString();
  }

  private static @Nullable String field(char field, LocalDateTime time) {
    int weekday = time.getDayOfWeek().getValue();
    String pattern = PATTERNS.get(field);
    if (pattern != null) {
      return DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH).format(time);
    }
    int day = time.getDayOfYear() - 1;
    return switch (field) {
      case '%' -> "%";
      case 'n' -> "\n";
      case 't' -> "\t";
      case 'w' -> Integer.toString(weekday % 7);
      case 'u' -> Integer.toString(weekday);
      case 'U' -> String.format(Locale.ROOT, "%02d", (day + 7 - weekday % 7) / 7);
      case 'W' -> String.format(Locale.ROOT, "%02d", (day + 7 - (weekday - 1)) / 7);
      case 'z', 'Z' -> "";
      default -> null;
    };
  }
}
