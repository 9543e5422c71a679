package dev.troupe.models.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class BpeTrainerTest {
  private static final List<String> SPECIALS =
      List.of("<s>", "</s>", "<pad>", "<|user|>", "<|assistant|>");
  private static final BpeVocabulary.Setup SETUP =
      new BpeVocabulary.Setup(
          Optional.of("<s>"), "</s>", Optional.of("<pad>"), Optional.of(ChatTemplate.SIMPLE), 128);

  @Test
  void train_countsByHand_mergesMostFrequentPairFirst() {
    // "ab" 4 times, "bc" 3 times: "ab" first; then "ab" "c" (3) becomes "abc".
    BpeVocabulary vocabulary = BpeTrainer.train(List.of("abc", "abc", "abc", "ab"), 258, List.of());
    assertThat(vocabulary.merges())
        .containsExactly(new BpeVocabulary.Merge("a", "b"), new BpeVocabulary.Merge("ab", "c"));
    assertThat(vocabulary.tokens().subList(256, 258)).containsExactly("ab", "abc");
  }

  @Test
  void train_repeatedLetter_countsStayRight() {
    BpeVocabulary vocabulary = BpeTrainer.train(List.of("aaaa aaaa", "aaaaa"), 300, List.of());
    assertThat(vocabulary.merges().get(0)).isEqualTo(new BpeVocabulary.Merge("a", "a"));
    // Everything merges until each word is one token: "aa", "aaaa", then " aaaa" and "aaaaa".
    assertThat(vocabulary.tokens()).contains("aaaa", "\u0120aaaa", "aaaaa");
  }

  @Test
  void train_shuffledCorpus_givesTheSame() {
    List<String> corpus = corpus();
    BpeVocabulary first = BpeTrainer.train(corpus, 290, SPECIALS);
    List<String> shuffled = new ArrayList<>(corpus);
    Collections.shuffle(shuffled, new Random(3));
    assertThat(BpeTrainer.train(shuffled, 290, SPECIALS)).isEqualTo(first);
    assertThat(first.tokens()).hasSize(290).doesNotHaveDuplicates();
  }

  @Test
  void train_corpusOfMarkers_neverSpellsASpecialToken() {
    BpeVocabulary vocabulary =
        BpeTrainer.train(Collections.nCopies(50, "<s>"), 280, List.of("<s>"));
    assertThat(vocabulary.merges())
        .noneMatch(merge -> (merge.left() + merge.right()).equals("<s>"));
  }

  @Test
  void train_tooSmall_isRefused() {
    assertThatThrownBy(() -> BpeTrainer.train(List.of(), 260, SPECIALS))
        .hasMessage("vocabSize 260 is less than the 5 special tokens and 256 bytes, 261");
  }

  @Test
  void write_thenLoad_roundTrips(@TempDir Path directory) {
    BpeTrainer.train(corpus(), 300, SPECIALS).write(directory, SETUP);
    try (Tokenizer tokenizer = Tokenizer.load(directory)) {
      String text = "The robot sings 42 times; caf\u00e9 \ud83d\ude00\n  </s>";
      assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(text);
      assertThat(tokenizer.encode(" robot")).as("a word of the corpus is one token").hasSize(1);
      assertThat(tokenizer.encodeDocument("a")[0]).isEqualTo(0);
      assertThat(tokenizer.vocabSize()).isEqualTo(300);
      assertThat(tokenizer.eos()).isEqualTo(1);
      String chat =
          tokenizer.chatTemplate().orElseThrow().render(List.of(new ChatTurn("user", "Hi")), true);
      assertThat(tokenizer.encodeRendered(chat)).startsWith(3).contains(1, 4);
    }
  }

  @Test
  void write_twice_sameBytes(@TempDir Path directory) throws Exception {
    BpeTrainer.train(corpus(), 300, SPECIALS).write(directory.resolve("a"), SETUP);
    BpeTrainer.train(corpus(), 300, SPECIALS).write(directory.resolve("b"), SETUP);
    for (String file :
        List.of("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")) {
      assertThat(directory.resolve("a").resolve(file))
          .hasSameBinaryContentAs(directory.resolve("b").resolve(file));
    }
  }

  @Property(tries = 200)
  void encode_anyText_decodesToItself(@ForAll String text) {
    // Unpaired surrogates are not text: UTF-8 cannot carry them.
    String valid = new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
    assertThat(Shared.TOKENIZER.decode(Shared.TOKENIZER.encode(valid))).isEqualTo(valid);
    assertThat(Arrays.stream(Shared.TOKENIZER.encode(valid))).allMatch(id -> id >= SPECIALS.size());
    assertThat(String.join("", Shared.TOKENIZER.pieces(Shared.TOKENIZER.encode(valid))))
        .isEqualTo(valid);
  }

  /** One tokenizer for all tries of the property. */
  private static final class Shared {
    static final Tokenizer TOKENIZER = make();

    private static Tokenizer make() {
      try {
        Path directory = Files.createTempDirectory("bpe");
        BpeTrainer.train(corpus(), 300, SPECIALS).write(directory, SETUP);
        return Tokenizer.load(directory);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  private static List<String> corpus() {
    List<String> words =
        List.of("the", "robot", "sings", "kindly", "answers", "teacher's", "garden");
    Random random = new Random(7);
    List<String> corpus = new ArrayList<>();
    for (int line = 0; line < 300; line++) {
      StringBuilder text = new StringBuilder();
      for (int word = 0; word < 8; word++) {
        text.append(words.get(random.nextInt(words.size()))).append(word < 7 ? " " : ".\n");
      }
      corpus.add(text.toString());
    }
    return corpus;
  }
}
