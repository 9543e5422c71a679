package dev.troupe.models.tokenizer.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;

/** What may follow {@code |}. */
final class Filters {
  /** A filter. */
  @FunctionalInterface
  interface Filter {
    Value apply(Value value, Arguments arguments);
  }

  private static final Pattern INTEGER = Pattern.compile("[+-]?\\d++");
  private static final Pattern REAL =
      Pattern.compile("[+-]?(?:\\d++\\.?\\d*+|\\.\\d++)(?:[eE][+-]?\\d++)?");

  private static final Map<String, Filter> ALL =
      Map.ofEntries(
          Map.entry("abs", Filters::absolute),
          Map.entry("capitalize", plain(StringMethods::capitalized)),
          Map.entry("count", Filters::length),
          Map.entry("d", Filters::otherwise),
          Map.entry("default", Filters::otherwise),
          Map.entry("dictsort", Filters::dictsort),
          Map.entry("first", Filters::first),
          Map.entry("float", Filters::toReal),
          Map.entry("indent", Filters::indent),
          Map.entry("int", Filters::toInteger),
          Map.entry("items", Filters::items),
          Map.entry("join", Filters::join),
          Map.entry("last", Filters::last),
          Map.entry("length", Filters::length),
          Map.entry(
              "list", (value, arguments) -> Sequence.list(iterated(value, "list", arguments))),
          Map.entry("lower", plain(Text::lower)),
          Map.entry("map", Filters::map),
          Map.entry("max", (value, arguments) -> extreme(value, "max", arguments)),
          Map.entry("min", (value, arguments) -> extreme(value, "min", arguments)),
          Map.entry("reject", (value, arguments) -> select(value, arguments, false, false)),
          Map.entry("rejectattr", (value, arguments) -> select(value, arguments, true, false)),
          Map.entry("replace", Filters::replace),
          Map.entry("reverse", Filters::reverse),
          Map.entry("round", Filters::round),
          Map.entry("select", (value, arguments) -> select(value, arguments, false, true)),
          Map.entry("selectattr", (value, arguments) -> select(value, arguments, true, true)),
          Map.entry("sort", Filters::sort),
          Map.entry("string", plain(text -> text)),
          Map.entry("sum", Filters::sum),
          Map.entry("title", plain(Filters::title)),
          Map.entry("tojson", Json::of),
          Map.entry("trim", Filters::trim),
          Map.entry("unique", Filters::unique),
          Map.entry("upper", plain(Text::upper)));

  private Filters() {}

  static boolean known(String name) {
    return ALL.containsKey(name);
  }

  static Value apply(String name, Value value, Arguments arguments) {
    Filter filter = ALL.get(name);
    if (filter == null) {
      throw JinjaException.unsupported("the filter '" + name + "'");
    }
    return filter.apply(value, arguments);
  }

  private static Filter plain(UnaryOperator<Text> text) {
    return (value, arguments) -> {
      arguments.bind("the filter", 0);
      return text.apply(Printing.text(value));
    };
  }

  private static List<Value> iterated(Value value, String name, Arguments arguments) {
    arguments.bind(name, 0);
    return Operations.iterate(value);
  }

  private static Value absolute(Value value, Arguments arguments) {
    arguments.bind("abs", 0);
    boolean negative =
        Operations.isNumber(value) && Operations.compare(value, Value.Int.of(0), "<") < 0;
    return negative ? Operations.negative(value) : Operations.positive(value);
  }

  private static Value length(Value value, Arguments arguments) {
    arguments.bind("length", 0);
    OptionalInt length = Operations.length(value);
    if (length.isEmpty()) {
      throw JinjaException.of(Operations.type(value) + " has no length");
    }
    return Value.Int.of(length.getAsInt());
  }

  private static Value otherwise(Value value, Arguments arguments) {
    Arguments.Bound bound = arguments.bind("default", 0, "default_value", "boolean");
    boolean anyFalse = Operations.truth(bound.get("boolean", Operations.bool(false)));
    return value instanceof Value.Undefined || (anyFalse && !Operations.truth(value))
        ? bound.get("default_value", Text.EMPTY)
        : value;
  }

  private static Value first(Value value, Arguments arguments) {
    arguments.bind("first", 0);
    List<Value> items =
        value instanceof Generator generator ? generator.takeFirst() : Operations.iterate(value);
    return items.isEmpty() ? new Value.Undefined("the first item of nothing") : items.get(0);
  }

  private static Value last(Value value, Arguments arguments) {
    arguments.bind("last", 0);
    if (value instanceof Generator) {
      throw JinjaException.of("last: " + Operations.type(value) + " has no end");
    }
    List<Value> items = Operations.iterate(value);
    return items.isEmpty()
        ? new Value.Undefined("the last item of nothing")
        : items.get(items.size() - 1);
  }

  private static Value reverse(Value value, Arguments arguments) {
    arguments.bind("reverse", 0);
    if (value instanceof Text) {
      return Operations.slice(value, null, null, -1);
    }
    List<Value> items = new ArrayList<>(Operations.iterate(value));
    Collections.reverse(items);
    return value instanceof Generator ? Sequence.list(items) : new Generator(items);
  }

  private static Value items(Value value, Arguments arguments) {
    arguments.bind("items", 0);
    if (value instanceof Value.Undefined) {
      return new Generator(List.of());
    }
    if (value instanceof Dict dict) {
      return new Generator(dict.items());
    }
    throw JinjaException.of("items: " + Operations.type(value) + " is no mapping");
  }

  private static Value join(Value value, Arguments arguments) {
    Arguments.Bound bound = arguments.bind("join", 0, "d", "attribute");
    Text between = Printing.text(bound.get("d", Text.EMPTY));
    Text.Builder out = new Text.Builder();
    boolean first = true;
    for (Value item : Operations.iterate(value)) {
      if (!first) {
        out.append(between);
      }
      out.append(
          Printing.text(bound.lacks("attribute") ? item : attribute(item, bound.get("attribute"))));
      first = false;
    }
    return out.build();
  }

  /** An attribute by its path, as in {@code map(attribute='function.name')}. */
  private static Value attribute(Value item, Value path) {
    if (Operations.integer(path) != null) {
      return Operations.item(item, path);
    }
    Value at = item;
    for (String part : Operations.toText(path, "the attribute").toString().split("\\.", -1)) {
      boolean number = !part.isEmpty() && part.chars().allMatch(Character::isDigit);
      at = Operations.item(at, number ? new Value.Int(new BigInteger(part)) : Text.of(part));
    }
    return at;
  }

  /** What {@code map} and {@code select} go through; for them all that is false is empty. */
  private static List<Value> itemsOrNone(Value value) {
    return Operations.truth(value) ? Operations.iterate(value) : List.of();
  }

  private static Value map(Value value, Arguments arguments) {
    List<Value> mapped = new ArrayList<>();
    if (arguments.positional().isEmpty()) {
      Arguments.Bound bound = arguments.bind("map", 0, "attribute", "default");
      if (!bound.has("attribute")) {
        throw JinjaException.of("map needs a filter or an attribute");
      }
      for (Value item : itemsOrNone(value)) {
        Value found = attribute(item, bound.get("attribute"));
        boolean replaced = found instanceof Value.Undefined && !bound.lacks("default");
        mapped.add(replaced ? bound.get("default") : found);
      }
      return new Generator(mapped);
    }
    String filter = Operations.toText(arguments.positional().get(0), "the filter").toString();
    for (Value item : itemsOrNone(value)) {
      mapped.add(apply(filter, item, arguments.after(1)));
    }
    return new Generator(mapped);
  }

  private static Value select(
      Value value, Arguments arguments, boolean byAttribute, boolean keepWhatPasses) {
    int first = byAttribute ? 1 : 0;
    if (arguments.positional().size() < first) {
      throw JinjaException.of("selectattr needs an attribute");
    }
    List<Value> kept = new ArrayList<>();
    for (Value item : itemsOrNone(value)) {
      Value tested = byAttribute ? attribute(item, arguments.positional().get(0)) : item;
      boolean passes =
          arguments.positional().size() == first
              ? Operations.truth(tested)
              : Tests.passes(
                  Operations.toText(arguments.positional().get(first), "the test").toString(),
                  tested,
                  arguments.after(first + 1));
      if (passes == keepWhatPasses) {
        kept.add(item);
      }
    }
    return new Generator(kept);
  }

  private static Value replace(Value value, Arguments arguments) {
    Arguments.Bound bound = arguments.bind("replace", 2, "old", "new", "count");
    return StringMethods.replaced(
        Printing.text(value),
        Printing.text(bound.get("old")),
        Printing.text(bound.get("new")),
        bound.lacks("count") ? -1 : Operations.toInt(bound.get("count"), "count"));
  }

  private static Value trim(Value value, Arguments arguments) {
    Arguments.Bound bound = arguments.bind("trim", 0, "chars");
    Arguments chars = Arguments.of(bound.get("chars", Value.None.NONE));
    return StringMethods.strip(Printing.text(value), chars, true, true);
  }

  /** Unlike {@code str.title}, a word begins after a blank, a hyphen or an opening bracket only. */
  private static Text title(Text text) {
    Text.Builder out = new Text.Builder();
    boolean begins = true;
    for (int i = 0; i < text.length(); i++) {
      out.append(begins ? text.at(i).upper() : text.at(i).lower());
      begins = StringMethods.isSpace(text.point(i)) || "-({[<".indexOf(text.point(i)) >= 0;
    }
    return out.build();
  }

  private static Value indent(Value value, Arguments arguments) {
    Arguments.Bound bound = arguments.bind("indent", 0, "width", "first", "blank");
    Value width = bound.get("width", Value.Int.of(4));
    Value no = Operations.bool(false);
    Text indention =
        width instanceof Text text
            ? text
            : Text.of(" ".repeat(Math.max(0, Math.min(1000, Operations.toInt(width, "width")))));
    boolean blank = Operations.truth(bound.get("blank", no));
    List<Text> lines =
        StringMethods.splitlines(
            Operations.toText(value, "what is indented").plus(Text.of("\n")), Arguments.NONE);
    Text.Builder out = new Text.Builder();
    for (int i = 0; i < lines.size(); i++) {
      boolean indented =
          i == 0 ? Operations.truth(bound.get("first", no)) : blank || !lines.get(i).isEmpty();
      out.append(i == 0 ? "" : "\n").append(indented ? indention : Text.EMPTY);
      out.append(lines.get(i));
    }
    return out.build();
  }

  private static Value toInteger(Value value, Arguments arguments) {
    Arguments.Bound bound = arguments.bind("int", 0, "default", "base");
    if (bound.has("base")) {
      throw JinjaException.unsupported("a base of the filter 'int'");
    }
    if (value instanceof Value.Undefined undefined) {
      throw undefined.error();
    }
    if (value instanceof Text text) {
      String digits = stripped(text);
      if (INTEGER.matcher(digits).matches()) {
        return new Value.Int(new BigInteger(digits.replaceFirst("^\\+", "")));
      }
    }
    BigInteger number = Operations.integer(value);
    if (number != null) {
      return new Value.Int(number);
    }
    Value real = toReal(value, Arguments.of(Value.None.NONE));
    return real instanceof Value.Real found && Double.isFinite(found.value())
        ? new Value.Int(new BigDecimal(found.value()).toBigInteger())
        : bound.get("default", Value.Int.of(0));
  }

  private static Value toReal(Value value, Arguments arguments) {
    Arguments.Bound bound = arguments.bind("float", 0, "default");
    if (value instanceof Value.Undefined undefined) {
      throw undefined.error();
    }
    if (value instanceof Text text) {
      String digits = stripped(text);
      return REAL.matcher(digits).matches()
          ? new Value.Real(Double.parseDouble(digits))
          : bound.get("default", new Value.Real(0));
    }
    BigInteger number = Operations.integer(value);
    if (number != null) {
      return new Value.Real(number.doubleValue());
    }
    return value instanceof Value.Real ? value : bound.get("default", new Value.Real(0));
  }

  private static String stripped(Text text) {
    String digits = StringMethods.strip(text, Arguments.NONE, true, true).toString();
    if (digits.length() > Limits.DIGITS) {
      throw JinjaException.of("a number is longer than " + Limits.DIGITS + " digits");
    }
    if (digits.chars().anyMatch(letter -> letter > 0x7f || letter == '_')
        || digits.matches("(?i)[+-]?(inf|nan).*")) {
      throw JinjaException.unsupported("'" + digits + "' as a number");
    }
    return digits;
  }

  private static Value round(Value value, Arguments arguments) {
    Arguments.Bound bound = arguments.bind("round", 0, "precision", "method");
    int precision = Operations.toInt(bound.get("precision", Value.Int.of(0)), "precision");
    String method = Printing.text(bound.get("method", Text.of("common"))).toString();
    if (!(value instanceof Value.Real real) || precision < 0 || precision > 15) {
      throw JinjaException.unsupported("rounding of other than a float to 0 to 15 digits");
    }
    double scale = Math.pow(10, precision);
    return new Value.Real(
        switch (method) {
          case "common" ->
              new BigDecimal(real.value())
                  .setScale(precision, RoundingMode.HALF_EVEN)
                  .doubleValue();
          case "ceil" -> Math.ceil(real.value() * scale) / scale;
          case "floor" -> Math.floor(real.value() * scale) / scale;
          default -> throw JinjaException.of("round: the method is common, ceil or floor");
        });
  }

  private static Value withoutCase(Value value) {
    return value instanceof Text text ? text.lower() : value;
  }

  private static Comparator<Value> order(boolean caseSensitive) {
    return (a, b) -> caseSensitive ? ordered(a, b) : ordered(withoutCase(a), withoutCase(b));
  }

  private static int ordered(Value a, Value b) {
    return Operations.equal(a, b) ? 0 : Operations.compare(a, b, "<");
  }

  private static Value by(Value item, Arguments.Bound bound) {
    return bound.lacks("attribute") ? item : attribute(item, bound.get("attribute"));
  }

  private static Comparator<Value> order(Arguments.Bound bound) {
    boolean cased = Operations.truth(bound.get("case_sensitive", Operations.bool(false)));
    return Comparator.comparing(item -> by(item, bound), order(cased));
  }

  private static Value sort(Value value, Arguments arguments) {
    Arguments.Bound bound = arguments.bind("sort", 0, "reverse", "case_sensitive", "attribute");
    if (!bound.lacks("attribute")
        && Printing.text(bound.get("attribute")).toString().contains(",")) {
      throw JinjaException.unsupported("sorting by several attributes");
    }
    List<Value> items = new ArrayList<>(Operations.iterate(value));
    boolean backwards = Operations.truth(bound.get("reverse", Operations.bool(false)));
    items.sort(backwards ? order(bound).reversed() : order(bound));
    return Sequence.list(items);
  }

  private static Value dictsort(Value value, Arguments arguments) {
    arguments.bind("dictsort", 0);
    if (!(value instanceof Dict dict)) {
      throw JinjaException.of("dictsort: " + Operations.type(value) + " is no mapping");
    }
    List<Value> items = new ArrayList<>(dict.items());
    items.sort(Comparator.comparing(item -> ((Sequence) item).items().get(0), order(false)));
    return Sequence.list(items);
  }

  private static Value unique(Value value, Arguments arguments) {
    Arguments.Bound bound = arguments.bind("unique", 0, "case_sensitive", "attribute");
    boolean cased = Operations.truth(bound.get("case_sensitive", Operations.bool(false)));
    Set<Object> seen = new HashSet<>();
    List<Value> kept = new ArrayList<>();
    for (Value item : Operations.iterate(value)) {
      Value key = by(item, bound);
      if (seen.add(Operations.key(cased ? key : withoutCase(key)))) {
        kept.add(item);
      }
    }
    return new Generator(kept);
  }

  private static Value extreme(Value value, String name, Arguments arguments) {
    Arguments.Bound bound = arguments.bind(name, 0, "case_sensitive", "attribute");
    Comparator<Value> order = name.equals("min") ? order(bound) : order(bound).reversed();
    List<Value> items = Operations.iterate(value);
    return items.isEmpty()
        ? new Value.Undefined("the " + name + " of nothing")
        : Collections.min(items, order);
  }

  private static Value sum(Value value, Arguments arguments) {
    Arguments.Bound bound = arguments.bind("sum", 0, "attribute", "start");
    Value sum = bound.get("start", Value.Int.of(0));
    for (Value item : Operations.iterate(value)) {
      sum = Operations.arithmetic("+", sum, by(item, bound));
    }
    return sum;
  }
}
