package dev.troupe.models.tokenizer.jinja;

/**
 * A piece of a template.
 *
 * @param text the data, the name, the unescaped string, the digits or the operator
 * @param line counted from 1
 */
record Token(Kind kind, String text, int line) {
  /** What a piece is. */
  enum Kind {
    DATA,
    VARIABLE_BEGIN,
    VARIABLE_END,
    BLOCK_BEGIN,
    BLOCK_END,
    NAME,
    STRING,
    INTEGER,
    REAL,
    OPERATOR,
    END
  }

  boolean is(Kind other) {
    return kind == other;
  }

  boolean isOperator(String operator) {
    return kind == Kind.OPERATOR && text.equals(operator);
  }

  boolean isName(String name) {
    return kind == Kind.NAME && text.equals(name);
  }

  /** For an error's text. */
  String shown() {
    return kind == Kind.END
        ? "the end of the template"
        : kind == Kind.BLOCK_END ? "'%}'" : kind == Kind.VARIABLE_END ? "'}}'" : "'" + text + "'";
  }
}
