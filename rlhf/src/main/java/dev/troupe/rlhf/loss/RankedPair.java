package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import java.util.Arrays;
import java.util.List;

/**
 * Two answers to one prompt for a reward model.
 *
 * @param chosen its reads include the position of its score
 * @param rejected likewise
 * @param margin by how much chosen should win at least, 0 when the data do not say
 * @param from first read that a token-wise loss compares
 * @param chosenScoreAt index among the chosen side's reads of the one that is its score
 * @param rejectedScoreAt likewise
 */
public record RankedPair(
    Sequence chosen,
    Sequence rejected,
    double margin,
    int from,
    int chosenScoreAt,
    int rejectedScoreAt)
    implements Example {

  public RankedPair {
    checkIndex("chosenScoreAt", chosenScoreAt, chosen);
    checkIndex("rejectedScoreAt", rejectedScoreAt, rejected);
  }

  /** Scored at each side's last read. */
  public RankedPair(Sequence chosen, Sequence rejected, double margin) {
    this(chosen, rejected, margin, 0, chosen.reads().size() - 1, rejected.reads().size() - 1);
  }

  /** Read at the last token of each side: for {@link RewardObjective.Kind#LAST_TOKEN}. */
  public static RankedPair lastToken(TokenIds chosen, TokenIds rejected, double margin) {
    return new RankedPair(Sequence.ofLast(chosen), Sequence.ofLast(rejected), margin);
  }

  /**
   * Read as DeepSpeed-Chat's token-wise loss does (algorithms: reward_model.py): from d, the first
   * position at which the two differ, to e, the end of the longer one; the shorter side is padded
   * up to e and the padding takes part. Identical sides are compared at their last token alone.
   * Where padding and end of sequence are one token there, the end of sequence is not part of a
   * side: drop it before calling this.
   *
   * @param chosen at least one token
   * @param rejected at least one token
   * @param padding the padding token
   */
  public static RankedPair tokenWise(TokenIds chosen, TokenIds rejected, int padding) {
    int end = Math.max(chosen.size(), rejected.size());
    int[] paddedChosen = padded(chosen, end, padding);
    int[] paddedRejected = padded(rejected, end, padding);
    int mismatch = Arrays.mismatch(paddedChosen, paddedRejected);
    int divergence = mismatch < 0 ? end - 1 : mismatch;
    // The score of a side that is a prefix of the other lies before the divergence.
    int first = Math.min(divergence, Math.min(chosen.size(), rejected.size()) - 1);
    int[] reads = new int[end - first];
    Arrays.setAll(reads, i -> first + i);
    return new RankedPair(
        new Sequence(new TokenIds(paddedChosen), new TokenIds(reads)),
        new Sequence(new TokenIds(paddedRejected), new TokenIds(reads)),
        0,
        divergence - first,
        chosen.size() - 1 - first,
        rejected.size() - 1 - first);
  }

  private static int[] padded(TokenIds tokens, int size, int padding) {
    int[] padded = Arrays.copyOf(tokens.values(), size);
    Arrays.fill(padded, tokens.size(), size, padding);
    return padded;
  }

  private static void checkIndex(String name, int index, Sequence sequence) {
    if (index < 0 || index >= sequence.reads().size()) {
      throw new IllegalArgumentException(
          name + " is " + index + " and the side has " + sequence.reads().size() + " reads");
    }
  }

  @Override
  public List<Sequence> sequences() {
    return List.of(chosen, rejected);
  }
}
