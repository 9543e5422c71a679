package dev.troupe.models.tokenizer.jinja;

import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The functions that a template finds without anybody having given them. */
final class Globals {
  private Globals() {}

  /**
   * Those of jinja2 and of {@code transformers}.
   *
   * @param now what {@code strftime_now} tells
   */
  static Map<String, Value> at(LocalDateTime now) {
    Map<String, Value> globals = new HashMap<>();
    for (String name : List.of("lipsum", "cycler", "joiner", "self")) {
      globals.put(name, Function.unsupported(name));
    }
    put(
        globals,
        "raise_exception",
        arguments -> {
          Value message = arguments.bind("raise_exception", 1, "message").get("message");
          throw JinjaException.refusal(Printing.text(message).toString());
        });
    put(
        globals,
        "strftime_now",
        arguments -> {
          Value format = arguments.bind("strftime_now", 1, "format").get("format");
          return Text.of(Strftime.format(Operations.toText(format, "the format").toString(), now));
        });
    put(globals, "range", Globals::range);
    put(globals, "dict", Globals::dict);
    put(globals, "namespace", arguments -> new Namespace(dict(arguments)));
    return globals;
  }

  private static void put(Map<String, Value> globals, String name, Function.Body body) {
    globals.put(name, new Function(name, body));
  }

  private static Value range(Arguments arguments) {
    Arguments.Bound bound = Attributes.positional(arguments, "range", 1, "start", "stop", "step");
    long first = Operations.toInt(bound.get("start"), "start");
    long start = bound.has("stop") ? first : 0;
    long stop = bound.has("stop") ? Operations.toInt(bound.get("stop"), "stop") : first;
    long step = bound.has("step") ? Operations.toInt(bound.get("step"), "step") : 1;
    if (step == 0) {
      throw JinjaException.of("range() with a step of 0");
    }
    List<Value> items = new ArrayList<>();
    for (long i = start; step > 0 ? i < stop : i > stop; i += step) {
      if (items.size() == Limits.ITEMS) {
        throw JinjaException.of("a range is longer than " + Limits.ITEMS + " items");
      }
      items.add(Value.Int.of(i));
    }
    return new Sequence(items, Sequence.Kind.RANGE);
  }

  private static Dict dict(Arguments arguments) {
    Dict dict = new Dict();
    for (Value given : arguments.positional()) {
      if (!(given instanceof Dict other) || arguments.positional().size() > 1) {
        throw JinjaException.unsupported("dict() or namespace() of other than one mapping");
      }
      dict.putAll(other);
    }
    // What a call names keeps the order in which it names it.
    arguments.named().forEach((name, value) -> dict.put(Text.of(name), value));
    return dict;
  }
}
