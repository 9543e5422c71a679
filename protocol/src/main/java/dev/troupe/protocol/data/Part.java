package dev.troupe.protocol.data;

import java.util.ArrayList;
import java.util.List;

/**
 * Consecutive prompts of a request whose answers are scored together, as soon as all of them are
 * there. The cut follows from how many prompts and answers there are, and not from who answers them
 * when: a row's last digit depends on the rows beside it in a product, so that those must not
 * depend on it either.
 *
 * @param from place of the first prompt
 * @param to place behind the last
 */
public record Part(int from, int to) {
  /**
   * Answers of a part. Several micro-batches, so that scoring by parts takes no longer than at
   * once.
   */
  private static final int ANSWERS = 32;

  /**
   * All parts of so many prompts, in order.
   *
   * @param answers to each prompt, which stay together
   */
  public static List<Part> of(int prompts, int answers) {
    int size = Math.max(1, ANSWERS / answers);
    List<Part> parts = new ArrayList<>();
    for (int from = 0; from < prompts; from += size) {
      parts.add(new Part(from, Math.min(prompts, from + size)));
    }
    return parts;
  }

  /** What there is of its prompts. */
  public <T> List<T> prompts(List<T> all) {
    return List.copyOf(all.subList(from, to));
  }

  /** What there is of its answers, where those to one prompt stand side by side. */
  public <T> List<T> answers(List<T> all, int answers) {
    return List.copyOf(all.subList(from * answers, to * answers));
  }
}
