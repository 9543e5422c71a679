package dev.troupe.models.tokenizer;

import com.hubspot.jinjava.el.JinjavaInterpreterResolver;
import java.beans.FeatureDescriptor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import jinjava.javax.el.CompositeELResolver;
import jinjava.javax.el.ELContext;
import jinjava.javax.el.ELResolver;
import org.jspecify.annotations.Nullable;

/**
 * Python's string methods, which chat templates call and Java's strings do not have or mean
 * otherwise.
 */
final class PythonMethods extends ELResolver {
  private static final String WHITE = " \t\n\r\u000b\f";

  private PythonMethods() {}

  /** These methods first, then everything that Jinjava knows. */
  static ELResolver resolver() {
    CompositeELResolver both = new CompositeELResolver();
    both.add(new PythonMethods());
    both.add(JinjavaInterpreterResolver.DEFAULT_RESOLVER_READ_ONLY);
    return both;
  }

  @Override
  public @Nullable Object invoke(
      ELContext context, Object base, Object method, Class<?>[] types, Object[] arguments) {
    if (!(base instanceof CharSequence) || method == null) {
      return null;
    }
    String text = base.toString();
    List<String> given =
        Arrays.stream(arguments).map(argument -> Objects.toString(argument, null)).toList();
    Object result =
        switch (method.toString()) {
          case "strip" -> strip(text, given, true, true);
          case "lstrip" -> strip(text, given, true, false);
          case "rstrip" -> strip(text, given, false, true);
          case "startswith" -> text.startsWith(given.get(0));
          case "endswith" -> text.endsWith(given.get(0));
          case "upper" -> text.toUpperCase(Locale.ROOT);
          case "lower" -> text.toLowerCase(Locale.ROOT);
          case "title" -> title(text);
          case "capitalize" ->
              text.isEmpty()
                  ? text
                  : text.substring(0, 1).toUpperCase(Locale.ROOT)
                      + text.substring(1).toLowerCase(Locale.ROOT);
          case "replace" -> text.replace(given.get(0), given.get(1));
          case "split" -> split(text, given);
          case "join" -> join(text, arguments[0]);
          case "find" -> text.indexOf(given.get(0));
          default -> null;
        };
    if (result != null) {
      context.setPropertyResolved(true);
    }
    return result;
  }

  private static String strip(String text, List<String> arguments, boolean left, boolean right) {
    String set = arguments.isEmpty() ? WHITE : arguments.get(0);
    int begin = 0;
    int end = text.length();
    while (left && begin < end && set.indexOf(text.charAt(begin)) >= 0) {
      begin++;
    }
    while (right && begin < end && set.indexOf(text.charAt(end - 1)) >= 0) {
      end--;
    }
    return text.substring(begin, end);
  }

  private static String title(String text) {
    StringBuilder title = new StringBuilder();
    boolean start = true;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      title.append(start ? Character.toUpperCase(c) : Character.toLowerCase(c));
      start = !Character.isLetter(c);
    }
    return title.toString();
  }

  private static List<String> split(String text, List<String> arguments) {
    if (arguments.isEmpty()) {
      return new ArrayList<>(
          Arrays.stream(text.split("\\s+", -1)).filter(part -> !part.isEmpty()).toList());
    }
    List<String> parts = new ArrayList<>();
    String separator = arguments.get(0);
    int limit = arguments.size() > 1 ? Integer.parseInt(arguments.get(1)) : -1;
    int begin = 0;
    while (limit < 0 || parts.size() < limit) {
      int at = text.indexOf(separator, begin);
      if (at < 0) {
        break;
      }
      parts.add(text.substring(begin, at));
      begin = at + separator.length();
    }
    parts.add(text.substring(begin));
    return parts;
  }

  private static String join(String separator, Object parts) {
    List<String> texts = new ArrayList<>();
    if (parts instanceof Iterable<?> iterable) {
      iterable.forEach(part -> texts.add(String.valueOf(part)));
    }
    return String.join(separator, texts);
  }

  @Override
  public @Nullable Object getValue(ELContext context, Object base, Object property) {
    return null;
  }

  @Override
  public @Nullable Class<?> getType(ELContext context, Object base, Object property) {
    return null;
  }

  @Override
  public void setValue(ELContext context, Object base, Object property, Object value) {}

  @Override
  public boolean isReadOnly(ELContext context, Object base, Object property) {
    return true;
  }

  @Override
  public @Nullable Iterator<FeatureDescriptor> getFeatureDescriptors(
      ELContext context, Object base) {
    return null;
  }

  @Override
  public @Nullable Class<?> getCommonPropertyType(ELContext context, Object base) {
    return null;
  }
}
