package dev.troupe.rlhf.data;

import java.util.Map;
import java.util.stream.Collectors;

/** Why of all the records of a stage none became an example. */
final class NothingLeft {
  private NothingLeft() {}

  /** What, why, and what to do about it. */
  static String describe(
      String what, int records, Lengths lengths, int longest, Map<String, Integer> leftOut) {
    int tooLong = leftOut.getOrDefault(LengthReport.TOO_LONG, 0);
    String none = "none of " + Counted.of(records, what) + " ";
    if (tooLong == 0 && leftOut.size() == 1) {
      String reason = leftOut.keySet().iterator().next();
      return none
          + switch (reason) {
            case LengthReport.UNDESIRABLE ->
                "is to be imitated: each is marked so (KTO's label: false, and the like). Give"
                    + " answers to imitate, pairs to the reward model or DPO, or name the label in"
                    + " the source's ignore to imitate them all the same";
            case LengthReport.MASKED ->
                "has a turn that is to be learned (weight: 0 and the like); name the field in the"
                    + " source's ignore to learn them all the same";
            case LengthReport.SAME ->
                "has two different answers, at least not within "
                    + lengths.maxTokens()
                    + " tokens; nothing can be learned from them";
            default -> "has an answer with anything in it; nothing can be learned from them";
          };
    }
    String others =
        leftOut.entrySet().stream()
            .filter(left -> !left.getKey().equals(LengthReport.TOO_LONG))
            .map(left -> left.getValue() + " left out: " + left.getKey())
            .collect(Collectors.joining("; "));
    return tooLong == 0 ? none + "is left (" + others + ")" : none + fits(lengths, longest, others);
  }

  private static String fits(Lengths lengths, int longest, String others) {
    return "fits the length policy (prompts of at most "
        + lengths.maxPromptTokens()
        + " tokens, "
        + lengths.maxTokens()
        + " in all; the longest has "
        + longest
        + ")"
        + (others.isEmpty() ? "" : " (of the others " + others + ")")
        + ": raise data.max-tokens or data.max-prompt-tokens, or set data.too-long = truncate";
  }
}
