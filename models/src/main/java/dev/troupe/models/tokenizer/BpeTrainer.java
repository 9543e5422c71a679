package dev.troupe.models.tokenizer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Trains a byte-level BPE vocabulary as GPT-2 does (Sennrich et al., arXiv:1508.07909, on bytes):
 * every text can be encoded, words never merge across the pre-tokenizer's borders, and the pair
 * seen most often is merged next. The result depends on the corpus alone, not on its order: of
 * pairs seen equally often, the one with the smaller ids wins.
 */
public final class BpeTrainer {
  /** GPT-2's words, the same that {@code ByteLevel} with {@code use_regex} cuts. */
  private static final Pattern WORDS =
      Pattern.compile(
          "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
          Pattern.UNICODE_CHARACTER_CLASS);

  private final List<String> specials;
  private final List<String> tokens = new ArrayList<>();
  private final List<BpeVocabulary.Merge> merges = new ArrayList<>();
  private final List<int[]> words = new ArrayList<>();
  private final List<Long> counts = new ArrayList<>();
  private final Map<Long, Long> pairCounts = new HashMap<>();
  private final Map<Long, Set<Integer>> wordsWithPair = new HashMap<>();

  private BpeTrainer(List<String> specials) {
    this.specials = specials;
  }

  /**
   * Learns a vocabulary.
   *
   * @param vocabSize tokens in all, at least the special ones and 256 bytes; fewer come out when
   *     the corpus has no more pairs
   * @param specials special tokens, which get the first ids in this order
   */
  public static BpeVocabulary train(Iterable<String> corpus, int vocabSize, List<String> specials) {
    int least = specials.size() + 256;
    if (vocabSize < least) {
      throw new IllegalArgumentException(
          "vocabSize "
              + vocabSize
              + " is less than the "
              + specials.size()
              + " special tokens and 256 bytes, "
              + least);
    }
    return new BpeTrainer(List.copyOf(specials)).run(corpus, vocabSize);
  }

  private BpeVocabulary run(Iterable<String> corpus, int vocabSize) {
    tokens.addAll(specials);
    int firstByte = tokens.size();
    tokens.addAll(ByteLetters.inOrder());
    Map<String, Integer> letterIds = new HashMap<>();
    for (int id = firstByte; id < tokens.size(); id++) {
      letterIds.put(tokens.get(id), id);
    }
    countWords(corpus)
        .forEach(
            (word, count) -> {
              words.add(
                  ByteLetters.of(word)
                      .chars()
                      .map(c -> letterIds.get(String.valueOf((char) c)))
                      .toArray());
              counts.add(count);
              count(words.size() - 1, 1);
            });
    Set<String> taken = new HashSet<>(tokens);
    while (tokens.size() < vocabSize) {
      long best = mostFrequent(taken);
      if (best < 0) {
        break;
      }
      merge(best, taken);
    }
    return new BpeVocabulary(specials, tokens, merges);
  }

  private static SortedMap<String, Long> countWords(Iterable<String> corpus) {
    SortedMap<String, Long> words = new TreeMap<>();
    for (String text : corpus) {
      Matcher matcher = WORDS.matcher(text);
      while (matcher.find()) {
        words.merge(matcher.group(), 1L, Long::sum);
      }
    }
    return words;
  }

  /**
   * The pair to merge next, or -1. A pair that would spell an existing token, a special one above
   * all, is passed over.
   */
  private long mostFrequent(Set<String> taken) {
    long best = -1;
    long bestCount = 0;
    for (Map.Entry<Long, Long> entry : pairCounts.entrySet()) {
      long pair = entry.getKey();
      long count = entry.getValue();
      boolean better = count > bestCount || (count == bestCount && pair < best);
      if (count > 0 && better && !taken.contains(spelling(pair))) {
        best = pair;
        bestCount = count;
      }
    }
    return best;
  }

  private void merge(long pair, Set<String> taken) {
    int left = left(pair);
    int right = right(pair);
    String spelling = spelling(pair);
    int id = tokens.size();
    tokens.add(spelling);
    taken.add(spelling);
    merges.add(new BpeVocabulary.Merge(tokens.get(left), tokens.get(right)));
    for (int word : List.copyOf(wordsWithPair.getOrDefault(pair, Set.of()))) {
      count(word, -1);
      words.set(word, merged(words.get(word), left, right, id));
      count(word, 1);
    }
    pairCounts.remove(pair);
    wordsWithPair.remove(pair);
  }

  /** Adds a word's pairs to the tallies, or takes them out again. */
  private void count(int word, int sign) {
    int[] ids = words.get(word);
    for (int i = 0; i + 1 < ids.length; i++) {
      long pair = pair(ids[i], ids[i + 1]);
      pairCounts.merge(pair, sign * counts.get(word), Long::sum);
      if (sign > 0) {
        wordsWithPair.computeIfAbsent(pair, key -> new HashSet<>()).add(word);
      } else {
        wordsWithPair.getOrDefault(pair, new HashSet<>()).remove(word);
      }
    }
  }

  private static int[] merged(int[] ids, int left, int right, int id) {
    int[] merged = new int[ids.length];
    int length = 0;
    for (int i = 0; i < ids.length; i++) {
      if (ids[i] == left && i + 1 < ids.length && ids[i + 1] == right) {
        merged[length++] = id;
        i++;
      } else {
        merged[length++] = ids[i];
      }
    }
    return Arrays.copyOf(merged, length);
  }

  private String spelling(long pair) {
    return tokens.get(left(pair)) + tokens.get(right(pair));
  }

  private static long pair(int left, int right) {
    return (long) left << 32 | right;
  }

  private static int left(long pair) {
    return (int) (pair >>> 32);
  }

  private static int right(long pair) {
    return (int) pair;
  }
}
