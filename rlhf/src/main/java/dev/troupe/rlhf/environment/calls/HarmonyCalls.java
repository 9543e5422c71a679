package dev.troupe.rlhf.environment.calls;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * gpt-oss's turns of several messages, each with a channel and perhaps a recipient, which may stand
 * before the channel or in it. What is said on the channel analysis is thought.
 */
final class HarmonyCalls {
  private static final String MESSAGE = "<|message|>";
  private static final String CHANNEL = "<|channel|>";
  private static final int MOST_HEADER = 512;
  private static final Pattern RECIPIENT = Pattern.compile("\\bto=(\\S+?)(?=<\\||\\s|$)");
  private static final Pattern NAME = Pattern.compile("<\\|channel\\|>\\s*(\\w+)");

  /** What ends a message, {@code <|start|>} only where the end was left out. */
  private static final List<String> ENDS =
      List.of("<|end|>", "<|call|>", "<|return|>", "<|start|>");

  private HarmonyCalls() {}

  static void read(Scan scan) {
    while (!scan.space().atEnd()) {
      int from = scan.at();
      scan.take("<|start|>");
      scan.take("assistant");
      Optional<String> header = scan.until(MESSAGE, MOST_HEADER);
      if (header.isEmpty()) {
        // Words without a header, or one cut off, which may have been a call's.
        scan.back(from);
        String rest = scan.rest();
        if (RECIPIENT.matcher(rest.substring(0, Math.min(rest.length(), MOST_HEADER))).find()) {
          scan.back(from);
          scan.malformed(from, "");
        } else {
          scan.say(rest);
        }
        return;
      }
      message(scan, from, header.get(), scan.untilAny(ENDS, "<|start|>"));
    }
  }

  private static void message(Scan scan, int from, String header, String body) {
    Matcher recipient = RECIPIENT.matcher(header);
    Matcher channel = NAME.matcher(header);
    if (recipient.find() && !recipient.group(1).startsWith("assistant")) {
      String to = recipient.group(1);
      String name = to.startsWith("functions.") ? to.substring("functions.".length()) : to;
      Optional<Map<String, @Nullable Object>> arguments =
          body.isBlank() ? Optional.empty() : JsonText.whole(body).flatMap(JsonText::arguments);
      if (arguments.isEmpty() || name.isEmpty()) {
        scan.malformedSoFar(from);
      } else {
        scan.call(name, arguments.get());
      }
    } else if (header.contains(CHANNEL) && channel.find() && channel.group(1).equals("analysis")) {
      scan.think(body);
    } else {
      scan.say(body);
    }
  }
}
