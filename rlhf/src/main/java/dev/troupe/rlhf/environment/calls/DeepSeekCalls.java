package dev.troupe.rlhf.environment.calls;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** DeepSeek's forms: V3 and R1 with fenced JSON, V3.1 with bare JSON, V3.2 with marked-up text. */
final class DeepSeekCalls {
  private static final String OPEN = "<｜tool▁calls▁begin｜>";
  private static final String CLOSE = "<｜tool▁calls▁end｜>";
  private static final String CALL = "<｜tool▁call▁begin｜>";
  private static final String SEPARATOR = "<｜tool▁sep｜>";
  private static final String END = "<｜tool▁call▁end｜>";
  private static final String FENCE = "```";

  private static final String DSML = "｜DSML｜";
  private static final String DSML_OPEN = "<" + DSML + "function_calls>";
  private static final String DSML_CLOSE = "</" + DSML + "function_calls>";
  private static final int MOST_NAME = 256;

  private DeepSeekCalls() {}

  static void read(Scan scan) {
    while (scan.toNext(OPEN)) {
      int from = scan.at();
      scan.take(OPEN);
      boolean none = true;
      while (scan.space().sees(CALL)) {
        none = false;
        int call = scan.at();
        scan.take(CALL);
        if (!one(scan)) {
          scan.malformed(call, END);
        }
      }
      if (none) {
        scan.malformed(from, CLOSE);
      }
      // It may be missing where the model stopped after its call.
      scan.take(CLOSE);
    }
  }

  private static boolean one(Scan scan) {
    Optional<String> head = scan.until(SEPARATOR, MOST_NAME);
    if (head.isEmpty()) {
      return false;
    }
    String name = head.get().strip();
    boolean fenced = !scan.space().sees("{");
    if (fenced) {
      // What came before is the kind of call, and the name follows.
      Optional<String> line = scan.until("\n", MOST_NAME);
      if (line.isEmpty() || !name.equals("function")) {
        return false;
      }
      name = line.get().strip();
      if (scan.space().take(FENCE)) {
        scan.take("json");
      }
    }
    Optional<Map<String, @Nullable Object>> arguments =
        scan.space().json().flatMap(JsonText::arguments);
    if (fenced) {
      scan.space().take(FENCE);
    }
    if (name.isEmpty() || arguments.isEmpty() || !scan.space().take(END)) {
      return false;
    }
    scan.call(name, arguments.get());
    return true;
  }

  static void readDsml(Scan scan) {
    while (scan.toNext(DSML_OPEN)) {
      int from = scan.at();
      scan.take(DSML_OPEN);
      List<NamedCall> calls = new ArrayList<>();
      boolean whole = true;
      while (whole && scan.space().take("<" + DSML + "invoke name=\"")) {
        Optional<NamedCall> call = invoked(scan);
        call.ifPresent(calls::add);
        whole = call.isPresent();
      }
      if (whole && !calls.isEmpty() && scan.space().take(DSML_CLOSE)) {
        calls.forEach(call -> call.addTo(scan));
      } else {
        scan.malformed(from, DSML_CLOSE);
      }
    }
  }

  private static Optional<NamedCall> invoked(Scan scan) {
    Optional<String> name = scan.until("\">", MOST_NAME).filter(found -> !found.isBlank());
    if (name.isEmpty()) {
      return Optional.empty();
    }
    Map<String, @Nullable Object> arguments = new LinkedHashMap<>();
    while (scan.space().take("<" + DSML + "parameter name=\"")) {
      Optional<String> key = scan.until("\"", MOST_NAME);
      boolean text = scan.space().take("string=\"true\">");
      if (key.isEmpty() || (!text && !scan.take("string=\"false\">"))) {
        return Optional.empty();
      }
      Optional<String> value = scan.until("</" + DSML + "parameter>");
      Optional<JsonText.Value> read =
          text ? value.map(JsonText.Value::new) : value.flatMap(JsonText::value);
      if (read.isEmpty()) {
        return Optional.empty();
      }
      arguments.put(key.get(), read.get().value());
    }
    return scan.take("</" + DSML + "invoke>")
        ? Optional.of(new NamedCall(Optional.empty(), name.get(), arguments))
        : Optional.empty();
  }
}
