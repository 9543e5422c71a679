package dev.troupe.rlhf.reward.math;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** Groups in braces. */
public final class Braces {
  private Braces() {}

  /** The index of the brace that closes the one at {@code open}, or −1. Escaped braces are none. */
  static int close(String text, int open) {
    int depth = 0;
    for (int i = open; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '\\') {
        i++;
      } else if (c == '{') {
        depth++;
      } else if (c == '}' && --depth == 0) {
        return i;
      }
    }
    return -1;
  }

  /** What stands in each outermost \boxed{…} or \fbox{…} that is closed, in order. */
  public static List<String> boxed(String text) {
    List<String> found = new ArrayList<>();
    Deque<Integer> opened = new ArrayDeque<>();
    int boxedAt = -1; // the brace of the box that is open, at this depth of braces
    int boxedDepth = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '{') {
        opened.push(i);
        if (boxedAt < 0 && isBox(text, i)) {
          boxedAt = i;
          boxedDepth = opened.size();
        }
      } else if (c == '}' && !opened.isEmpty()) {
        if (boxedAt >= 0 && opened.size() == boxedDepth) {
          found.add(text.substring(boxedAt + 1, i).strip());
          boxedAt = -1;
        }
        opened.pop();
      } else if (c == '\\') {
        i++;
      }
    }
    return found;
  }

  private static boolean isBox(String text, int open) {
    int end = open;
    while (end > 0 && text.charAt(end - 1) == ' ') {
      end--;
    }
    return text.startsWith("\\boxed", end - 6) || text.startsWith("\\fbox", end - 5);
  }
}
