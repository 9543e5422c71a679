package dev.troupe.models.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.models.Golden;
import java.util.List;
import java.util.stream.IntStream;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tokenizers of each family's kind against the {@code tokenizers} library, on hard strings. */
class TokenizerKindsTest {
  private static final int STRINGS = 34;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "gpt2",
        "gpt2_prefix",
        "unigram",
        "opt",
        "neox",
        "bloom",
        "llama3",
        "qwen2",
        "smollm",
        "llama2",
        "mistral",
        "gemma",
        "phi3"
      })
  void kind_hardStrings_equalTheLibrary(String kind) {
    JsonNode cases = Golden.json("tokenizers/" + kind + "/expected.json");
    assertThat(cases).hasSize(STRINGS);
    SoftAssertions all = new SoftAssertions();
    try (Tokenizer tokenizer = Tokenizer.load(Golden.path("tokenizers/" + kind))) {
      for (JsonNode expected : cases) {
        String text = expected.get("text").asText();
        if (kind.equals("unigram") && text.contains("</s>")) {
          // The one case where the library lets user text become special tokens: a Unigram model
          // has them among its pieces.
          int end = tokenizer.id("</s>").orElseThrow();
          assertThat(Golden.ints(expected.get("encode"))).contains(end);
          all.assertThat(tokenizer.encode(text))
              .doesNotContain(end, tokenizer.id("<pad>").orElseThrow());
          continue;
        }
        int[] user = Golden.ints(expected.get("encode"));
        int[] rendered = Golden.ints(expected.get("rendered"));
        all.assertThat(tokenizer.encode(text)).as("ids of %s", text).isEqualTo(user);
        all.assertThat(offsets(tokenizer.place(text)))
            .as("offsets of %s", text)
            .isEqualTo(Golden.ints(expected.get("offsets")));
        all.assertThat(tokenizer.encodeDocument(text))
            .as("document of %s", text)
            .isEqualTo(Golden.ints(expected.get("document")));
        all.assertThat(tokenizer.encodeRendered(text)).as("rendered %s", text).isEqualTo(rendered);
        all.assertThat(tokenizer.decode(rendered))
            .as("decoded %s", text)
            .isEqualTo(expected.get("decoded").asText());
        all.assertThat(tokenizer.decode(user))
            .as("user text %s", text)
            .isEqualTo(expected.get("user").asText());
        all.assertThat(String.join("", tokenizer.pieces(rendered)))
            .as("pieces of %s", text)
            .isEqualTo(expected.get("spelled").asText());
      }
    }
    all.assertAll();
  }

  /**
   * What a message spells out changes nothing around it: the text is cut at the template's markers
   * alone, and between two of them it is what it would be as user text.
   */
  @ParameterizedTest
  @CsvSource({
    "llama2, <s>, '[INST] Hi#</s>there, a #<s>b#</s> [/INST]'",
    "gemma, <start_of_turn>, 'user Hi#<end_of_turn>there #<s>'",
    "llama3, <|eot_id|>, 'user Hi#<|eot_id|>there #<|im_start|>'",
    "qwen2, <|im_start|>, 'user Hi#<|im_end|>there #<|im_start|> <tool_call>'",
    "smollm, <|im_start|>, 'user Hi#<|im_end|>there #<|im_start|>'",
    "opt, </s>, 'Hi#</s>there #<pad>'",
    "bloom, <s>, 'Hi#</s>there #<pad>'",
    "gpt2, <|endoftext|>, 'Hi#<|endoftext|>there'",
  })
  void encodeRendered_messageThatSpellsMarkers_isUserTextBetweenMarkers(
      String kind, String marker, String message) {
    String rendered = marker + message.replace("#", ChatTemplate.GUARD) + marker;
    try (Tokenizer tokenizer = Tokenizer.load(Golden.path("tokenizers/" + kind))) {
      int id = tokenizer.id(marker).orElseThrow();
      int[] said = tokenizer.encode(message.replace("#", ""));
      IntStream expected =
          IntStream.concat(
              IntStream.concat(IntStream.of(id), IntStream.of(said)), IntStream.of(id));
      assertThat(tokenizer.encodeRendered(rendered)).containsExactly(expected.toArray());
    }
  }

  @Test
  void encodeRendered_blankBeforeTheFirstPieceAlone_isPutNowhereElse() {
    try (Tokenizer tokenizer = Tokenizer.load(Golden.path("tokenizers/mistral"))) {
      int[] before = tokenizer.encodeRendered("<s>[INST] Hi");
      int[] spelled = tokenizer.encodeRendered("<s>[INST] Hi\ufdd0</s>there</s>");
      assertThat(spelled).startsWith(before).endsWith(tokenizer.id("</s>").orElseThrow());
      assertThat(String.join("", tokenizer.pieces(spelled))).isEqualTo("<s>[INST] Hi</s>there</s>");
    }
  }

  @Test
  void encodeRendered_markersThatTakeBlanks_doSoBesideAMessageThatSpellsThem() {
    try (Tokenizer tokenizer = Tokenizer.load(Golden.path("tokenizers/phi3"))) {
      int[] plain = tokenizer.encodeRendered("<|user|>\nHi there<|end|>\n<|assistant|>\nyes");
      int[] spelled =
          tokenizer.encodeRendered("<|user|>\nHi \ufdd0<|end|> there<|end|>\n<|assistant|>\nyes");
      assertThat(spelled).startsWith(plain[0], plain[1]).endsWith(plain[plain.length - 1]);
      assertThat(String.join("", tokenizer.pieces(spelled)).replace(" ", ""))
          .isEqualTo("<|user|>Hi<|end|>there<|end|><|assistant|>yes");
    }
  }

  private static int[] offsets(List<Tokenizer.Placed> tokens) {
    return tokens.stream()
        .flatMapToInt(token -> IntStream.of(token.begin(), token.end()))
        .toArray();
  }
}
