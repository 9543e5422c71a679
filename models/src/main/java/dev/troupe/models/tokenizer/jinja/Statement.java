package dev.troupe.models.tokenizer.jinja;

import java.util.List;

/** What writes or sets something. */
@FunctionalInterface
interface Statement {
  /** How the loop around goes on. */
  enum Then {
    NEXT,
    CONTINUE,
    BREAK
  }

  Then execute(Frame frame);

  static Then executeAll(List<Statement> statements, Frame frame) {
    for (Statement statement : statements) {
      Then then = statement.execute(frame);
      if (then != Then.NEXT) {
        return then;
      }
    }
    return Then.NEXT;
  }
}
