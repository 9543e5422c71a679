package dev.troupe.models.tokenizer;

import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;

/** The functions that {@code transformers} gives to chat templates. */
public final class TemplateFunctions {
  private static final Map<Character, String> STRFTIME =
      Map.ofEntries(
          Map.entry('Y', "yyyy"),
          Map.entry('y', "yy"),
          Map.entry('m', "MM"),
          Map.entry('d', "dd"),
          Map.entry('e', "ppd"),
          Map.entry('H', "HH"),
          Map.entry('I', "hh"),
          Map.entry('M', "mm"),
          Map.entry('S', "ss"),
          Map.entry('p', "a"),
          Map.entry('b', "MMM"),
          Map.entry('B', "MMMM"),
          Map.entry('a', "EEE"),
          Map.entry('A', "EEEE"),
          Map.entry('j', "DDD"));

  private TemplateFunctions() {}

  /** A template's own refusal of a dialogue. */
  static final class Refusal extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Refusal(String message) {
      super(message);
    }
  }

  /** {@code raise_exception('...')} in a template. */
  public static String raiseException(String message) {
    throw new Refusal(message);
  }

  /** {@code strftime_now('%d %b %Y')} in a template: the local time now. */
  public static String strftimeNow(String format) {
    ZonedDateTime now = ZonedDateTime.now(ZoneId.systemDefault());
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%' || i + 1 == format.length()) {
        text.append(c);
        continue;
      }
      char field = format.charAt(++i);
      String pattern = STRFTIME.get(field);
      if (pattern != null) {
        text.append(DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH).format(now));
      } else if (field == '%') {
        text.append('%');
      } else {
        throw new Refusal("strftime_now: the field %" + field + " is not known");
      }
    }
    return text.toString();
  }
}
