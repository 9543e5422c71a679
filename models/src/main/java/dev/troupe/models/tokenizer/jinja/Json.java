package dev.troupe.models.tokenizer.jinja;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Values as {@code json.dumps} writes them. */
final class Json {
  private final boolean ascii;
  private final boolean sorted;
  private final @Nullable Text indent;
  private final Text itemSeparator;
  private final Text keySeparator;
  private final Text.Builder out = new Text.Builder();

  private Json(
      boolean ascii, boolean sorted, @Nullable Text indent, Text itemSeparator, Text keySeparator) {
    this.ascii = ascii;
    this.sorted = sorted;
    this.indent = indent;
    this.itemSeparator = itemSeparator;
    this.keySeparator = keySeparator;
  }

  /** The {@code tojson} filter as {@code transformers} defines it. */
  static Text of(Value value, Arguments arguments) {
    Arguments.Bound bound =
        arguments.bind("tojson", 0, "ensure_ascii", "indent", "separators", "sort_keys");
    Text indent = null;
    if (!bound.lacks("indent")) {
      Value given = bound.get("indent");
      indent =
          given instanceof Text text
              ? text
              : Text.of(" ".repeat(Math.max(0, Math.min(100, Operations.toInt(given, "indent")))));
    }
    Text item = Text.of(indent == null ? ", " : ",");
    Text key = Text.of(": ");
    if (!bound.lacks("separators")) {
      List<Value> both = Operations.iterate(bound.get("separators"));
      if (both.size() != 2) {
        throw JinjaException.of("tojson takes two separators, not " + both.size());
      }
      item = Operations.toText(both.get(0), "a separator");
      key = Operations.toText(both.get(1), "a separator");
    }
    Value no = Operations.bool(false);
    Json json =
        new Json(
            Operations.truth(bound.get("ensure_ascii", no)),
            Operations.truth(bound.get("sort_keys", no)),
            indent,
            item,
            key);
    json.write(value, 1);
    return json.out.build();
  }

  private void write(Value value, int depth) {
    if (value instanceof Text text) {
      quote(text);
    } else if (value == Value.None.NONE) {
      out.append("null");
    } else if (value instanceof Value.Bool bool) {
      out.append(bool.value() ? "true" : "false");
    } else if (value instanceof Value.Real number) {
      out.append(real(number.value()));
    } else if (value instanceof Value.Int) {
      out.append(Printing.text(value));
    } else if (value instanceof Dict dict) {
      write(dict, depth);
    } else if (value instanceof Sequence sequence
        && (sequence.kind() == Sequence.Kind.LIST || sequence.kind() == Sequence.Kind.TUPLE)) {
      List<Value> items = sequence.items();
      out.append(items.isEmpty() ? "[]" : "[");
      for (int i = 0; i < items.size(); i++) {
        separate(i, depth);
        write(items.get(i), depth + 1);
      }
      close(items.size(), depth, "]");
    } else {
      throw JinjaException.of("tojson: " + Operations.type(value) + " has no JSON");
    }
  }

  private void write(Dict dict, int depth) {
    List<Map.Entry<Value, Value>> entries = new ArrayList<>(dict.entries());
    if (sorted) {
      entries.sort(
          Comparator.comparing(Map.Entry::getKey, (a, b) -> Operations.compare(a, b, "<")));
    }
    out.append(entries.isEmpty() ? "{}" : "{");
    for (int i = 0; i < entries.size(); i++) {
      separate(i, depth);
      quote(name(entries.get(i).getKey()));
      out.append(keySeparator);
      write(entries.get(i).getValue(), depth + 1);
    }
    close(entries.size(), depth, "}");
  }

  private void separate(int index, int depth) {
    if (index > 0) {
      out.append(itemSeparator);
    }
    lineTo(depth);
  }

  private void close(int size, int depth, String bracket) {
    if (size > 0) {
      lineTo(depth - 1);
      out.append(bracket);
    }
  }

  private void lineTo(int depth) {
    if (indent != null) {
      out.append("\n");
      for (int i = 0; i < depth; i++) {
        out.append(indent);
      }
    }
  }

  private static Text name(Value key) {
    if (key instanceof Text text) {
      return text;
    }
    if (key == Value.None.NONE) {
      return Text.of("null");
    }
    if (key instanceof Value.Bool bool) {
      return Text.of(bool.value() ? "true" : "false");
    }
    if (key instanceof Value.Real number) {
      return Text.of(real(number.value()));
    }
    if (key instanceof Value.Int) {
      return Printing.text(key);
    }
    throw JinjaException.of("tojson: " + Operations.type(key) + " cannot be a key");
  }

  private static String real(double number) {
    if (Double.isNaN(number)) {
      return "NaN";
    }
    if (Double.isInfinite(number)) {
      return number < 0 ? "-Infinity" : "Infinity";
    }
    return Printing.real(number);
  }

  private void quote(Text text) {
    out.append("\"");
    for (int i = 0; i < text.length(); i++) {
      out.append(escaped(text.point(i)), text.origin(i));
    }
    out.append("\"");
  }

  private String escaped(int point) {
    return switch (point) {
      case '"' -> "\\\"";
      case '\\' -> "\\\\";
      case '\n' -> "\\n";
      case '\r' -> "\\r";
      case '\t' -> "\\t";
      case '\b' -> "\\b";
      case '\f' -> "\\f";
      default -> {
        String letter = Character.toString(point);
        if (point >= 0x20 && (!ascii || point < 0x80)) {
          yield letter;
        }
        StringBuilder units = new StringBuilder();
        letter.chars().forEach(unit -> units.append(String.format(Locale.ROOT, "\\u%04x", unit)));
        yield units.toString();
      }
    };
  }
}
