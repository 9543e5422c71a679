package dev.troupe.models.tokenizer.jinja;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/** The methods of Python's {@code str}. */
final class StringMethods {
  private static final Set<String> OTHERS =
      Set.of(
          "casefold",
          "center",
          "encode",
          "expandtabs",
          "format",
          "format_map",
          "isascii",
          "isdecimal",
          "isidentifier",
          "isnumeric",
          "isprintable",
          "istitle",
          "ljust",
          "maketrans",
          "rjust",
          "swapcase",
          "translate",
          "zfill");

  private StringMethods() {}

  /** The method as a function, or null when {@code str} has none of that name. */
  static @Nullable Function of(Text text, String name) {
    Function.Body body =
        switch (name) {
          case "strip" -> arguments -> strip(text, arguments, true, true);
          case "lstrip" -> arguments -> strip(text, arguments, true, false);
          case "rstrip" -> arguments -> strip(text, arguments, false, true);
          case "startswith" -> arguments -> beginsOrEnds(text, name, arguments, true);
          case "endswith" -> arguments -> beginsOrEnds(text, name, arguments, false);
          case "upper" -> arguments -> without(arguments, name, text.upper());
          case "lower" -> arguments -> without(arguments, name, text.lower());
          case "title" -> arguments -> without(arguments, name, title(text));
          case "capitalize" -> arguments -> without(arguments, name, capitalized(text));
          case "replace" -> arguments -> replace(text, arguments);
          case "split" -> arguments -> split(text, arguments, false);
          case "rsplit" -> arguments -> split(text, arguments, true);
          case "splitlines" -> arguments -> Sequence.list(splitlines(text, arguments));
          case "partition" -> arguments -> partition(text, name, arguments, false);
          case "rpartition" -> arguments -> partition(text, name, arguments, true);
          case "join" -> arguments -> join(text, arguments);
          case "find", "index" -> arguments -> find(text, name, arguments, false);
          case "rfind", "rindex" -> arguments -> find(text, name, arguments, true);
          case "count" -> arguments -> count(text, arguments);
          case "removeprefix" ->
              arguments -> {
                Text part = textOf(arguments, name);
                return text.hasAt(0, part) ? text.slice(part.length(), text.length()) : text;
              };
          case "removesuffix" ->
              arguments -> {
                Text part = textOf(arguments, name);
                int end = text.length() - part.length();
                return text.hasAt(end, part) ? text.slice(0, end) : text;
              };
          case "isdigit" -> arguments -> all(text, name, arguments, Character::isDigit);
          case "isalpha" -> arguments -> all(text, name, arguments, Character::isLetter);
          case "isalnum" -> arguments -> all(text, name, arguments, Character::isLetterOrDigit);
          case "isspace" -> arguments -> all(text, name, arguments, StringMethods::isSpace);
          case "isupper" -> arguments -> cased(text, name, arguments, Character::isUpperCase);
          case "islower" -> arguments -> cased(text, name, arguments, StringMethods::lower);
          default -> null;
        };
    if (body == null) {
      return OTHERS.contains(name) ? Function.unsupported("str." + name + "()") : null;
    }
    return new Function(name, body);
  }

  private static Value without(Arguments arguments, String name, Value result) {
    arguments.bind(name, 0);
    return result;
  }

  private static Text textOf(Arguments arguments, String name) {
    Value only = Attributes.positional(arguments, name, 1, "text").get("text");
    return Operations.toText(only, "the argument of " + name + "()");
  }

  /** What Python's {@code str.isspace} holds for white. */
  static boolean isSpace(int point) {
    return (point >= '\t' && point <= '\r')
        || (point >= 0x1c && point <= 0x1f)
        || point == 0x85
        || Character.getType(point) == Character.SPACE_SEPARATOR
        || point == 0x2028
        || point == 0x2029;
  }

  static Text strip(Text text, Arguments arguments, boolean left, boolean right) {
    Arguments.Bound bound = Attributes.positional(arguments, "strip", 0, "chars");
    IntPredicate out = StringMethods::isSpace;
    if (!bound.lacks("chars")) {
      String set = Operations.toText(bound.get("chars"), "the argument of strip()").toString();
      out = point -> set.indexOf(point) >= 0;
    }
    int begin = 0;
    int end = text.length();
    while (left && begin < end && out.test(text.point(begin))) {
      begin++;
    }
    while (right && begin < end && out.test(text.point(end - 1))) {
      end--;
    }
    return text.slice(begin, end);
  }

  private static Value beginsOrEnds(Text text, String name, Arguments arguments, boolean begins) {
    Arguments.Bound bound = Attributes.positional(arguments, name, 1, "part", "start", "end");
    Text within = window(text, bound);
    boolean pastTheEnd =
        !bound.lacks("start") && Operations.toInt(bound.get("start"), "start") > text.length();
    Value parts = bound.get("part");
    List<Value> options =
        parts instanceof Sequence sequence && sequence.kind() == Sequence.Kind.TUPLE
            ? sequence.items()
            : List.of(parts);
    boolean found = false;
    for (Value option : options) {
      Text part = Operations.toText(option, "the argument of " + name + "()");
      found |= !pastTheEnd && within.hasAt(begins ? 0 : within.length() - part.length(), part);
    }
    return Operations.bool(found);
  }

  private static Text window(Text text, Arguments.Bound bound) {
    return (Text) Operations.slice(text, place(bound, "start"), place(bound, "end"), null);
  }

  private static @Nullable Integer place(Arguments.Bound bound, String name) {
    return bound.lacks(name) ? null : (Integer) Operations.toInt(bound.get(name), name);
  }

  static Text title(Text text) {
    Text.Builder title = new Text.Builder();
    boolean inside = false;
    for (int i = 0; i < text.length(); i++) {
      Text letter = text.at(i);
      title.append(inside ? letter.lower() : titled(letter));
      int point = text.point(i);
      inside = lower(point) || Character.isUpperCase(point) || Character.isTitleCase(point);
    }
    return title.build();
  }

  private static Text titled(Text letter) {
    return letter.mapped(
        one -> {
          String upper = one.toUpperCase(Locale.ROOT);
          // ß becomes Ss.
          return upper.codePointCount(0, upper.length()) == 1
              ? Character.toString(Character.toTitleCase(one.codePointAt(0)))
              : upper.substring(0, 1) + upper.substring(1).toLowerCase(Locale.ROOT);
        });
  }

  static Text capitalized(Text text) {
    return text.isEmpty() ? text : titled(text.at(0)).plus(text.slice(1, text.length()).lower());
  }

  private static Value replace(Text text, Arguments arguments) {
    Arguments.Bound bound = Attributes.positional(arguments, "replace", 2, "old", "new", "count");
    return replaced(
        text,
        Operations.toText(bound.get("old"), "the argument of replace()"),
        Operations.toText(bound.get("new"), "the argument of replace()"),
        bound.has("count") ? Operations.toInt(bound.get("count"), "count") : -1);
  }

  static Text replaced(Text text, Text old, Text now, int count) {
    Text.Builder out = new Text.Builder();
    int at = 0;
    for (int done = 0; count < 0 || done < count; done++) {
      int found = text.find(old, at, text.length());
      if (found < 0) {
        break;
      }
      out.append(text.slice(at, found)).append(now);
      at = found + old.length();
      if (old.isEmpty()) {
        if (found == text.length()) {
          return out.build();
        }
        out.append(text.at(found));
        at = found + 1;
      }
    }
    return out.append(text.slice(at, text.length())).build();
  }

  private static Value split(Text text, Arguments arguments, boolean fromTheRight) {
    Arguments.Bound bound = arguments.bind("split", 0, "sep", "maxsplit");
    int most = bound.has("maxsplit") ? Operations.toInt(bound.get("maxsplit"), "maxsplit") : -1;
    List<Value> parts = new ArrayList<>();
    if (bound.lacks("sep")) {
      if (fromTheRight && most >= 0) {
        throw JinjaException.unsupported("rsplit() at whitespace with a limit");
      }
      words(text, most, parts);
      return Sequence.list(parts);
    }
    Text separator = Operations.toText(bound.get("sep"), "the separator");
    if (separator.isEmpty()) {
      throw JinjaException.of("split(): the separator is empty");
    }
    int begin = 0;
    int end = text.length();
    while (most < 0 || parts.size() < most) {
      int at =
          fromTheRight ? text.findLast(separator, begin, end) : text.find(separator, begin, end);
      if (at < 0) {
        break;
      }
      parts.add(fromTheRight ? text.slice(at + separator.length(), end) : text.slice(begin, at));
      begin = fromTheRight ? begin : at + separator.length();
      end = fromTheRight ? at : end;
    }
    parts.add(text.slice(begin, end));
    if (fromTheRight) {
      Collections.reverse(parts);
    }
    return Sequence.list(parts);
  }

  private static void words(Text text, int most, List<Value> parts) {
    int at = 0;
    while (true) {
      while (at < text.length() && isSpace(text.point(at))) {
        at++;
      }
      if (at == text.length()) {
        return;
      }
      if (most >= 0 && parts.size() == most) {
        parts.add(text.slice(at, text.length()));
        return;
      }
      int begin = at;
      while (at < text.length() && !isSpace(text.point(at))) {
        at++;
      }
      parts.add(text.slice(begin, at));
    }
  }

  static List<Text> splitlines(Text text, Arguments arguments) {
    Arguments.Bound bound = arguments.bind("splitlines", 0, "keepends");
    boolean keep = Operations.truth(bound.get("keepends", Operations.bool(false)));
    List<Text> lines = new ArrayList<>();
    int begin = 0;
    for (int i = 0; i < text.length(); i++) {
      int point = text.point(i);
      boolean ends =
          (point >= '\n' && point <= '\r')
              || (point >= 0x1c && point <= 0x1e)
              || point == 0x85
              || point == 0x2028
              || point == 0x2029;
      if (ends) {
        int end = i;
        if (point == '\r' && i + 1 < text.length() && text.point(i + 1) == '\n') {
          i++;
        }
        lines.add(text.slice(begin, keep ? i + 1 : end));
        begin = i + 1;
      }
    }
    if (begin < text.length()) {
      lines.add(text.slice(begin, text.length()));
    }
    return lines;
  }

  private static Value partition(
      Text text, String name, Arguments arguments, boolean fromTheRight) {
    Text part = textOf(arguments, name);
    if (part.isEmpty()) {
      throw JinjaException.of(name + "(): the separator is empty");
    }
    int at =
        fromTheRight ? text.findLast(part, 0, text.length()) : text.find(part, 0, text.length());
    if (at < 0) {
      return Sequence.tuple(
          fromTheRight
              ? List.of(Text.EMPTY, Text.EMPTY, text)
              : List.of(text, Text.EMPTY, Text.EMPTY));
    }
    int after = at + part.length();
    return Sequence.tuple(List.of(text.slice(0, at), part, text.slice(after, text.length())));
  }

  private static Value join(Text text, Arguments arguments) {
    Value items = Attributes.positional(arguments, "join", 1, "items").get("items");
    Text.Builder out = new Text.Builder();
    boolean first = true;
    for (Value item : Operations.iterate(items)) {
      if (!first) {
        out.append(text);
      }
      out.append(Operations.toText(item, "an item of join()"));
      first = false;
    }
    return out.build();
  }

  private static Value find(Text text, String name, Arguments arguments, boolean last) {
    Arguments.Bound bound = Attributes.positional(arguments, name, 1, "part", "start", "end");
    Text part = Operations.toText(bound.get("part"), "the argument of " + name + "()");
    if (bound.has("start") || bound.has("end")) {
      throw JinjaException.unsupported(name + "() with a start");
    }
    int at = last ? text.findLast(part, 0, text.length()) : text.find(part, 0, text.length());
    if (at < 0 && name.endsWith("index")) {
      throw JinjaException.of(name + "(): the text has no such part");
    }
    return Value.Int.of(at);
  }

  private static Value count(Text text, Arguments arguments) {
    Text part = textOf(arguments, "count");
    if (part.isEmpty()) {
      return Value.Int.of(text.length() + 1);
    }
    int count = 0;
    int at = text.find(part, 0, text.length());
    while (at >= 0) {
      count++;
      at = text.find(part, at + part.length(), text.length());
    }
    return Value.Int.of(count);
  }

  private static Value all(Text text, String name, Arguments arguments, IntPredicate each) {
    boolean all = !text.isEmpty();
    for (int i = 0; i < text.length(); i++) {
      all &= each.test(text.point(i));
    }
    return without(arguments, name, Operations.bool(all));
  }

  private static boolean lower(int point) {
    return Character.isLowerCase(point);
  }

  /** All that have a case have this one, and some have. */
  private static Value cased(Text text, String name, Arguments arguments, IntPredicate wanted) {
    boolean some = false;
    boolean all = true;
    for (int i = 0; i < text.length(); i++) {
      int point = text.point(i);
      boolean has = lower(point) || Character.isUpperCase(point) || Character.isTitleCase(point);
      some |= has;
      all &= !has || wanted.test(point);
    }
    return without(arguments, name, Operations.bool(some && all));
  }
}
