package dev.troupe.models.checkpoint.gguf;

import java.nio.DoubleBuffer;
import java.nio.LongBuffer;
import java.util.List;

/** What one key of a file's metadata holds. Widths are not kept: they do not matter to a reader. */
public sealed interface GgufValue {
  /** A whole number of any width; one of 64 bits without sign must fit a long. */
  record Whole(long value) implements GgufValue {
    @Override
    public String kind() {
      return "a whole number";
    }
  }

  /** A floating-point number, float32 or float64. */
  record Real(double value) implements GgufValue {
    @Override
    public String kind() {
      return "a number";
    }
  }

  /** True or false. */
  record Flag(boolean value) implements GgufValue {
    @Override
    public String kind() {
      return "true or false";
    }
  }

  /** Text. */
  record Text(String value) implements GgufValue {
    @Override
    public String kind() {
      return "a text";
    }
  }

  /** Whole numbers of one width, from position 0; read-only. */
  record Wholes(LongBuffer values) implements GgufValue {
    @Override
    public String kind() {
      return "a list of whole numbers";
    }
  }

  /** Floating-point numbers, from position 0; read-only. */
  record Reals(DoubleBuffer values) implements GgufValue {
    @Override
    public String kind() {
      return "a list of numbers";
    }
  }

  /** Truth values. */
  record Flags(List<Boolean> values) implements GgufValue {
    public Flags {
      values = List.copyOf(values);
    }

    @Override
    public String kind() {
      return "a list of true and false";
    }
  }

  /** Texts. */
  record Texts(List<String> values) implements GgufValue {
    public Texts {
      values = List.copyOf(values);
    }

    @Override
    public String kind() {
      return "a list of texts";
    }
  }

  /** For messages: what kind of value this is. */
  String kind();
}
