package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The plain-text dialogues of Anthropic's HH data. */
final class HhDialogues {
  private static final String ASSISTANT = "\n\nAssistant:";
  private static final Pattern TURN = Pattern.compile("\n\n(Human|Assistant):");

  private HhDialogues() {}

  /**
   * The prompt is what both dialogues share, up to and with the last "\n\nAssistant:" in it; the
   * answers are the rest, which begins with a space.
   */
  static DataRecord parse(Origin origin, String chosen, String rejected) {
    int shared = 0;
    int most = Math.min(chosen.length(), rejected.length());
    while (shared < most && chosen.charAt(shared) == rejected.charAt(shared)) {
      shared++;
    }
    int last = chosen.substring(0, shared).lastIndexOf(ASSISTANT);
    if (last < 0) {
      throw DataException.at(
          origin,
          "\"chosen\" and \"rejected\" share no turn that ends in \"\\n\\nAssistant:\". Without a"
              + " \"prompt\" they must be dialogues: "
              + Shape.HH.layout());
    }
    int end = last + ASSISTANT.length();
    return new DataRecord.Preference(
        origin,
        new PromptText.Plain(chosen.substring(0, end)),
        chosen.substring(end),
        rejected.substring(end),
        0);
  }

  /** True for text that is such a dialogue, ready for the assistant's answer. */
  static boolean isPrompt(String text) {
    return text.startsWith("\n\nHuman:") && text.endsWith(ASSISTANT);
  }

  /** The turns of such a prompt; the open assistant's turn at its end is left out. */
  static List<ChatMessage> turns(String prompt) {
    List<ChatMessage> turns = new ArrayList<>();
    Matcher matcher = TURN.matcher(prompt);
    boolean more = matcher.find();
    while (more) {
      String role = matcher.group(1).equals("Human") ? "user" : "assistant";
      int start = matcher.end();
      more = matcher.find();
      if (more) {
        turns.add(new ChatMessage(role, prompt.substring(start, matcher.start()).strip()));
      }
    }
    return turns;
  }
}
