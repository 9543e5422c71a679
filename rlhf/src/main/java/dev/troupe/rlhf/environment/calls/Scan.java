package dev.troupe.rlhf.environment.calls;

import dev.troupe.rlhf.port.Environment.ToolCall;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A turn, read from left to right: where the reading stands, and what has been found. */
final class Scan {
  /** After so many malformed calls the rest is text: each may have been read to the turn's end. */
  static final int MOST_MALFORMED = 64;

  private static final int EXCERPT = 200;

  private final String said;
  private final Marks thinkingMarks;
  private final StringBuilder text = new StringBuilder();
  private final StringBuilder thinking = new StringBuilder();
  private final List<ToolCall> calls = new ArrayList<>();
  private final List<String> malformed = new ArrayList<>();

  /** Where a mark stands next; searched for again only when that is passed. */
  private final Map<String, Integer> ahead = new HashMap<>();

  private int at;

  Scan(String said, Marks thinkingMarks) {
    this.said = said;
    this.thinkingMarks = thinkingMarks;
  }

  int at() {
    return at;
  }

  boolean atEnd() {
    return at == said.length();
  }

  /** Goes past white space. */
  Scan space() {
    while (at < said.length() && Character.isWhitespace(said.charAt(at))) {
      at++;
    }
    return this;
  }

  boolean sees(String literal) {
    return said.startsWith(literal, at);
  }

  /** Goes past a literal, if it is here. */
  boolean take(String literal) {
    if (sees(literal)) {
      at += literal.length();
      return true;
    }
    return false;
  }

  /** What stands before a literal; the reading goes past it. Empty, and stays, without one. */
  Optional<String> until(String literal) {
    int end = said.indexOf(literal, at);
    if (end < 0) {
      return Optional.empty();
    }
    String before = said.substring(at, end);
    at = end + literal.length();
    return Optional.of(before);
  }

  /** As {@link #until}, but a text longer than so many letters is none. */
  Optional<String> until(String literal, int most) {
    int from = at;
    int last = Math.min(said.length(), from + most + literal.length());
    int end = said.substring(from, last).indexOf(literal);
    if (end < 0) {
      return Optional.empty();
    }
    at = from + end + literal.length();
    return Optional.of(said.substring(from, from + end));
  }

  /** Goes past one letter; only before the end. */
  char letter() {
    return said.charAt(at++);
  }

  /** Goes back to a place that it has been at. */
  void back(int place) {
    at = place;
  }

  /** Whether an object begins here whose first key is this one. */
  boolean beginsObjectWith(String key) {
    int place = at;
    boolean begins = take("{") && space().take("\"" + key + "\"");
    at = place;
    return begins;
  }

  /**
   * What stands before the first of some literals, which the reading goes past, or before the end.
   *
   * @param kept one of them that the reading stays before
   */
  String untilAny(List<String> literals, String kept) {
    int end = said.length();
    String found = "";
    for (String literal : literals) {
      int place = next(literal);
      if (place >= 0 && place < end) {
        end = place;
        found = literal;
      }
    }
    String before = said.substring(at, end);
    at = found.equals(kept) ? end : end + found.length();
    return before;
  }

  /** All that is left. */
  String rest() {
    String rest = said.substring(at);
    at = said.length();
    return rest;
  }

  /** The JSON object or array that begins here; empty, and stays, where there is none. */
  Optional<Object> json() {
    return JsonText.at(said, at)
        .map(
            found -> {
              at = found.end();
              return found.value();
            });
  }

  /** The value that begins here as Gemma writes them; empty, and stays, where there is none. */
  Optional<Map<String, @Nullable Object>> gemma() {
    GemmaText read = new GemmaText(said, at);
    Optional<Map<String, @Nullable Object>> found = read.object();
    if (found.isPresent()) {
      at = read.at();
    }
    return found;
  }

  /** The call that begins here as Python writes it; empty, and stays, where there is none. */
  Optional<NamedCall> pythonCall() {
    PythonText read = new PythonText(said, at);
    String name = read.name();
    Optional<NamedCall> found =
        name.isEmpty()
            ? Optional.empty()
            : read.arguments().map(given -> new NamedCall(Optional.empty(), name, given));
    if (found.isPresent()) {
      at = read.at();
    }
    return found;
  }

  /**
   * Goes to the next place where a call begins, past thoughts on the way; what is passed is text.
   *
   * @param open what it begins with; empty for nothing
   * @return whether there is one; else all has been read
   */
  boolean toNext(String open) {
    while (true) {
      int call = open.isEmpty() || malformed.size() >= MOST_MALFORMED ? -1 : next(open);
      int thought = thinkingMarks.open().isEmpty() ? -1 : next(thinkingMarks.open());
      if (thought >= 0 && (call < 0 || thought < call)) {
        text.append(said, at, thought);
        at = thought + thinkingMarks.open().length();
        thought();
      } else if (call >= 0) {
        text.append(said, at, call);
        at = call;
        return true;
      } else {
        text.append(rest());
        return false;
      }
    }
  }

  /** Reads all that is left as text and thoughts. */
  void words() {
    toNext("");
  }

  /** Goes past the thoughts that a turn begins with. */
  void thoughts() {
    while (!thinkingMarks.open().isEmpty() && space().take(thinkingMarks.open())) {
      thought();
    }
  }

  private int next(String mark) {
    Integer known = ahead.get(mark);
    if (known == null || (known >= 0 && known < at)) {
      known = said.indexOf(mark, at);
      ahead.put(mark, known);
    }
    return known;
  }

  /** Goes to the end of a thought that has begun, which may be the turn's. */
  void thought() {
    String close = thinkingMarks.close();
    think(until(close).orElseGet(this::rest));
    space();
  }

  void think(String thought) {
    append(thinking, thought);
  }

  void say(String more) {
    append(text, more);
  }

  private static void append(StringBuilder all, String more) {
    if (!all.isEmpty()) {
      all.append('\n');
    }
    all.append(more.strip());
  }

  /** A call without an id. */
  void call(String name, Map<String, @Nullable Object> arguments) {
    call("", name, arguments);
  }

  void call(String id, String name, Map<String, @Nullable Object> arguments) {
    calls.add(new ToolCall(id, name, arguments));
  }

  /**
   * What began at a place is no call: it is text, up to the mark that should have ended it.
   *
   * @param close empty for the turn's end
   */
  void malformed(int from, String close) {
    int end = close.isEmpty() ? -1 : said.indexOf(close, from);
    at = end < 0 ? said.length() : end + close.length();
    malformedSoFar(from);
  }

  /** As {@link #malformed}, where the next mark ends it, and is not of it. */
  void malformedUpTo(int from, String mark) {
    int end = said.indexOf(mark, from + mark.length());
    at = end < 0 ? said.length() : end;
    malformedSoFar(from);
  }

  /** What began at a place and has been read is no call: it is text. */
  void malformedSoFar(int from) {
    String found = said.substring(from, at);
    if (malformed.size() < MOST_MALFORMED) {
      malformed.add(found.length() <= EXCERPT ? found : found.substring(0, EXCERPT) + "…");
    }
    text.append(found);
  }

  Reply reply() {
    return new Reply(thinking.toString().strip(), text.toString().strip(), calls, malformed);
  }
}
