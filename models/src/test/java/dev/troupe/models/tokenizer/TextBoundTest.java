package dev.troupe.models.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What a text may have of letters counts by what the normal form makes of it. */
class TextBoundTest {
  private static final Path DIRECTORY = Path.of("model");

  private static TextBound bound(String normalizers) throws Exception {
    String json =
        """
        {"normalizer": {"type": "Sequence", "normalizers": [%s]},
         "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\\\s+(?!\\\\S)|\\\\s+"}},
         "model": {"type": "BPE", "vocab": {}, "merges": []}}
        """
            .replace("%s", normalizers);
    return SoundTokenizer.bound((ObjectNode) new ObjectMapper().readTree(json), "tokenizer.json");
  }

  /** The same number of letters, whatever the form might make of others. */
  @ParameterizedTest
  @CsvSource({
    "'{\"type\":\"NFKC\"}', NFKD",
    "'{\"type\":\"NFC\"}', NFD",
    "'{\"type\":\"NFC\"},{\"type\":\"NFKD\"}', NFKD",
    "'{\"type\":\"NFKC\"},{\"type\":\"NFC\"}', NFKD",
  })
  void plainLetters_countOnce_behindAForm(String normalizers, Normalizer.Form form)
      throws Exception {
    TextBound without = bound("");
    TextBound with = bound(normalizers);
    assertThat(with.form()).contains(form);
    assertThat(with.ofForm()).isEqualTo(without.letters());
    String text = "word ".repeat(without.letters() / 5);
    assertThatCode(() -> with.check(text, DIRECTORY)).doesNotThrowAnyException();
    assertThatCode(() -> without.check(text, DIRECTORY)).doesNotThrowAnyException();
    assertThatThrownBy(() -> with.check(text + "words", DIRECTORY))
        .isInstanceOf(TextTooLongException.class);
  }

  @Test
  void lettersThatGrow_countByWhatTheyBecome() throws Exception {
    TextBound bound = bound("{\"type\": \"NFKC\"}");
    int most = bound.ofForm() / 18;
    assertThatCode(() -> bound.check("\ufdfa".repeat(most), DIRECTORY)).doesNotThrowAnyException();
    assertThatThrownBy(() -> bound.check("\ufdfa".repeat(most + 1), DIRECTORY))
        .isInstanceOf(TextTooLongException.class)
        .hasMessage(
            String.format(
                Locale.ROOT,
                "a text of %,d letters is too long for the tokenizer of model, which makes %,d of"
                    + " them (Unicode's NFKD) and safely takes %,d; cut it",
                most + 1,
                18 * (most + 1),
                bound.ofForm()));
  }

  /** Behind something else a form counts by the most that it may make. */
  @Test
  void formsBehindOthers_countByTheirMost() throws Exception {
    TextBound bound = bound("{\"type\": \"Strip\", \"strip_left\": true}, {\"type\": \"NFKC\"}");
    assertThat(bound.form()).isEqualTo(Optional.empty());
    assertThat(bound.letters()).isEqualTo(bound("").letters() / 18);
  }

  @ParameterizedTest
  @EnumSource(
      value = Normalizer.Form.class,
      names = {"NFD", "NFKD"})
  void length_isThatOfTheWholeTextsForm(Normalizer.Form form) {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    for (int trial = 0; trial < 500; trial++) {
      StringBuilder text = new StringBuilder();
      while (text.length() < 20) {
        int letter = random.nextInt(random.nextBoolean() ? 0x3000 : 0x20000);
        if (Character.getType(letter) != Character.UNASSIGNED
            && Character.getType(letter) != Character.SURROGATE) {
          text.appendCodePoint(letter);
        }
      }
      String formed = Normalizer.normalize(text, form);
      assertThat(TextBound.length(text.toString(), form))
          .as("seed %d, %s", seed, text)
          .isEqualTo(formed.codePointCount(0, formed.length()));
    }
  }
}
