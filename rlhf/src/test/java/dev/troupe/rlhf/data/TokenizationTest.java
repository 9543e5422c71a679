package dev.troupe.rlhf.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.data.DataConfig.Format;
import dev.troupe.rlhf.data.DataConfig.TooLong;
import dev.troupe.rlhf.data.DataRecord.BarePrompt;
import dev.troupe.rlhf.data.DataRecord.Completion;
import dev.troupe.rlhf.data.DataRecord.Dialogue;
import dev.troupe.rlhf.data.DataRecord.PlainText;
import dev.troupe.rlhf.data.DataRecord.Preference;
import dev.troupe.rlhf.data.PromptText.Chat;
import dev.troupe.rlhf.data.PromptText.Instruction;
import dev.troupe.rlhf.data.PromptText.Plain;
import dev.troupe.rlhf.loss.RankedPair;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.port.Conversation;
import dev.troupe.rlhf.port.Text;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class TokenizationTest {
  private static final Origin ORIGIN = new Origin("f.jsonl", 7);
  private static final LetterText CHATTY = new LetterText(true, false, 1000);

  private static Tokenization with(Text text, Format format, int max, int maxPrompt) {
    return new Tokenization(text, format, new Lengths(max, maxPrompt, TooLong.TRUNCATE));
  }

  private static Tokenization dropping(int max, int maxPrompt) {
    return new Tokenization(CHATTY, Format.AUTO, new Lengths(max, maxPrompt, TooLong.DROP));
  }

  /**
   * Letters of the sequence: 1 as ^, 2 as $; those whose log-probability is read are upper case.
   */
  private static String marked(Sequence sequence) {
    StringBuilder letters = new StringBuilder();
    for (int token : sequence.tokens().values()) {
      letters.append(token == 1 ? '^' : token == 2 ? '$' : (char) token);
    }
    for (int read : sequence.reads().values()) {
      letters.setCharAt(read + 1, Character.toUpperCase(letters.charAt(read + 1)));
    }
    return letters.toString();
  }

  private static String sft(Tokenization tokenization, DataRecord record, Trained trained) {
    List<SftExample> examples = tokenization.sft(List.of(record), trained).examples();
    assertThat(examples).hasSize(1);
    return marked(examples.get(0).sequence());
  }

  @Test
  void sft_completion_trainsTheAnswerAndItsEnd() {
    Completion record = new Completion(ORIGIN, new Plain("ask"), "say");
    Tokenization plain = with(CHATTY, Format.AUTO, 100, 50);
    Sequence sequence = plain.sft(List.of(record), Trained.COMPLETION).examples().get(0).sequence();
    assertThat(marked(sequence)).isEqualTo("askSAY$");
    // Tokens 3, 4, 5 and the end 6 are read one before.
    assertThat(sequence.reads()).isEqualTo(TokenIds.of(2, 3, 4, 5));
    assertThat(sft(plain, record, Trained.ALL)).isEqualTo("aSKSAY$");
  }

  @Test
  void sft_beginningOfSequence_isNotTrained() {
    Tokenization text = with(new LetterText(false, true, 1000), Format.AUTO, 100, 50);
    assertThat(sft(text, new Completion(ORIGIN, new Plain("ask"), "say"), Trained.ALL))
        .isEqualTo("^ASKSAY$");
  }

  @Test
  void sft_preferenceAndText_giveTheirSide() {
    Tokenization text = with(CHATTY, Format.AUTO, 100, 50);
    Preference pair = new Preference(ORIGIN, new Plain("ask"), "good", "bad", 0);
    assertThat(sft(text, pair, Trained.COMPLETION)).isEqualTo("askGOOD$");
    assertThat(sft(text, new PlainText(ORIGIN, "tale"), Trained.COMPLETION)).isEqualTo("tALE$");
  }

  @Test
  void sft_chatFormat_goesThroughTheTemplate() {
    Tokenization chat = with(CHATTY, Format.CHAT, 100, 50);
    Completion record = new Completion(ORIGIN, new Plain("ask"), " say");
    // The template's line break after the end is not part of the example.
    assertThat(sft(chat, record, Trained.COMPLETION)).isEqualTo("<user>ask$\n<assistant>SAY$");
  }

  @Test
  void sft_hhThroughTheTemplate_isTurns() {
    Tokenization chat = with(CHATTY, Format.CHAT, 100, 90);
    Preference pair =
        new Preference(
            ORIGIN,
            new Plain("\n\nHuman: hi\n\nAssistant: yo\n\nHuman: so\n\nAssistant:"),
            " ok",
            " no",
            0);
    assertThat(sft(chat, pair, Trained.COMPLETION))
        .isEqualTo("<user>hi$\n<assistant>yo$\n<user>so$\n<assistant>OK$");
  }

  @Test
  void sft_dialogue_trainsEveryAssistantsTurnAndNothingElse() {
    Dialogue dialogue =
        new Dialogue(
            ORIGIN,
            List.of(
                new ChatMessage("user", "hi"),
                new ChatMessage("assistant", "yo"),
                new ChatMessage("user", "so"),
                new ChatMessage("assistant", "ok")));
    assertThat(sft(with(CHATTY, Format.AUTO, 100, 50), dialogue, Trained.COMPLETION))
        .isEqualTo("<user>hi$\n<assistant>YO$\n<user>so$\n<assistant>OK$");
  }

  @Test
  void sft_dialogueThatEndsWithAQuestion_endsWithTheLastAnswer() {
    Dialogue dialogue = dialogue("user hi", "assistant yo", "user so", "system be");
    assertThat(sft(with(CHATTY, Format.AUTO, 100, 50), dialogue, Trained.COMPLETION))
        .isEqualTo("<user>hi$\n<assistant>YO$");
  }

  @Test
  void sft_templateWithoutEnd_isClosedByOne() {
    Text text = new MadeUpTemplate(CHATTY, "", "e\n", "");
    assertThat(
            sft(
                with(text, Format.AUTO, 100, 50),
                dialogue("user a", "assistant b", "user c", "assistant d"),
                Trained.COMPLETION))
        .isEqualTo("a:BE\nc:DE\n$");
    assertThat(sft(with(text, Format.CHAT, 100, 50), completion("a", "b"), Trained.COMPLETION))
        .isEqualTo("a:BE\n$");
  }

  @Test
  void sft_templateThatMarksWhatFollowsTheEnd_isTakenAtItsWord() {
    Text text = new MadeUpTemplate(CHATTY, "", "</s>\n", "");
    assertThat(
            sft(
                with(text, Format.AUTO, 100, 50),
                dialogue("user a", "assistant b", "user c", "assistant d"),
                Trained.COMPLETION))
        .isEqualTo("a:B$\nc:D$\n");
    // An answer, though, is what generation gives.
    assertThat(sft(with(text, Format.CHAT, 100, 50), completion("a", "b"), Trained.COMPLETION))
        .isEqualTo("a:B$");
  }

  @Test
  void sft_tokenizerThatPutsABlankBeforeEveryText_putsItOnce() {
    Text text = new MadeUpTemplate(CHATTY, "_", "</s>", "");
    assertThat(
            sft(
                with(text, Format.AUTO, 100, 50),
                dialogue("user a", "assistant b", "user c", "assistant d"),
                Trained.COMPLETION))
        .isEqualTo("_a:B$c:D$");
    assertThat(sft(with(text, Format.CHAT, 100, 50), completion("a", "b"), Trained.COMPLETION))
        .isEqualTo("_a:B$");
  }

  @Test
  void sft_templateThatWritesAPromptOtherwise_isAnError() {
    Text text = new MadeUpTemplate(CHATTY, "", "</s>", "think");
    assertThatThrownBy(
            () ->
                with(text, Format.CHAT, 100, 50)
                    .sft(List.of(completion("a", "b")), Trained.COMPLETION))
        .isInstanceOf(DataException.class)
        .hasMessage(
            "f.jsonl:7: the chat template writes the dialogue before an answer otherwise than as a"
                + " prompt, so what the answer adds can't be told; use a template that only"
                + " appends");
  }

  private static Completion completion(String prompt, String answer) {
    return new Completion(ORIGIN, new Plain(prompt), answer);
  }

  private static Dialogue dialogue(String... turns) {
    return new Dialogue(
        ORIGIN,
        Arrays.stream(turns)
            .map(turn -> turn.split(" ", 2))
            .map(turn -> new ChatMessage(turn[0], turn[1]))
            .toList());
  }

  /**
   * Writes {@code a:b} and an end for a question and its answer.
   *
   * @param blank what the tokenizer puts before every text
   * @param opening what a prompt has behind the colon
   */
  private record MadeUpTemplate(LetterText letters, String blank, String end, String opening)
      implements Text {
    @Override
    public String render(Conversation conversation, boolean addGenerationPrompt) {
      String all = renderParts(conversation).stream().map(Part::text).collect(Collectors.joining());
      return all + (addGenerationPrompt ? opening : "");
    }

    @Override
    public List<Part> renderParts(Conversation conversation) {
      List<Part> parts = new ArrayList<>();
      for (ChatMessage message : conversation.messages()) {
        parts.add(
            message.role().equals("assistant")
                ? new Part(message.content() + end, true, parts.size())
                : new Part(message.content() + ":", false, -1));
      }
      return parts;
    }

    @Override
    public TokenIds encodeRendered(String text) {
      return letters.encodeRendered(blank + text);
    }

    @Override
    public TokenIds encode(String text) {
      return letters.encode(text);
    }

    @Override
    public String decode(TokenIds tokens) {
      return letters.decode(tokens);
    }

    @Override
    public List<String> pieces(TokenIds tokens) {
      return letters.pieces(tokens);
    }

    @Override
    public boolean hasChatTemplate() {
      return true;
    }

    @Override
    public OptionalInt beginOfSequence() {
      return OptionalInt.empty();
    }

    @Override
    public int endOfSequence() {
      return letters.endOfSequence();
    }

    @Override
    public int contextLength() {
      return letters.contextLength();
    }
  }

  @Test
  void sft_alpaca_isWordedWithAndWithoutInput() {
    Tokenization text = with(CHATTY, Format.AUTO, 1000, 900);
    String with =
        sft(text, new Completion(ORIGIN, new Instruction("i", "x"), "o"), Trained.COMPLETION);
    assertThat(with)
        .startsWith("Below is an instruction that describes a task, paired with an input")
        .endsWith("### Instruction:\ni\n\n### Input:\nx\n\n### Response:O$");
    String without =
        sft(text, new Completion(ORIGIN, new Instruction("i", ""), "o"), Trained.COMPLETION);
    assertThat(without)
        .startsWith("Below is an instruction that describes a task. Write")
        .endsWith("### Instruction:\ni\n\n### Response:O$");
  }

  @Test
  void sft_tooLong_isDroppedOrTruncatedAndCounted() {
    List<DataRecord> records =
        List.of(
            new Completion(ORIGIN, new Plain("ab"), "cd"),
            new Completion(ORIGIN, new Plain("abcdef"), "gh"),
            new Completion(ORIGIN, new Plain("ab"), "cdefgh"));
    Tokenized<SftExample> dropped = dropping(6, 4).sft(records, Trained.COMPLETION);
    assertThat(dropped.report()).isEqualTo(new LengthReport(1, 0, 9, Map.of("too long", 2)));
    Tokenized<SftExample> cut = with(CHATTY, Format.AUTO, 6, 4).sft(records, Trained.COMPLETION);
    assertThat(cut.report()).isEqualTo(new LengthReport(3, 2, 9, Map.of()));
    // Max 6: "gh$" leaves the prompt 3; "cdefgh$" has 7, so the prompt keeps one and it loses two.
    assertThat(marked(cut.examples().get(1).sequence())).isEqualTo("defGH$");
    assertThat(marked(cut.examples().get(2).sequence())).isEqualTo("bCDEFG");
    assertThat(dropped.report().describe("texts"))
        .isEqualTo("1 text (2 dropped as too long, 0 truncated; the longest had 9 tokens)");
  }

  @Test
  void sft_truncate_keepsTheAnswerWhole() {
    // Max 6: an answer of 5 with its end leaves the prompt one token, its beginning of sequence.
    Tokenization text = with(new LetterText(false, true, 1000), Format.AUTO, 6, 5);
    assertThat(sft(text, completion("abcdefgh", "wxyz"), Trained.COMPLETION)).isEqualTo("^WXYZ$");
    assertThat(sft(text, completion("abcdefgh", "yz"), Trained.COMPLETION)).isEqualTo("^ghYZ$");
    assertThat(sft(text, completion("ab", "vwxyz"), Trained.COMPLETION)).isEqualTo("^VWXYZ");
    assertThat(sft(text, completion("ab", "y"), Trained.COMPLETION)).isEqualTo("^abY$");
  }

  @Test
  void sft_truncatedDialogue_keepsTheLastAnswerWhole() {
    Text text = new MadeUpTemplate(CHATTY, "", "</s>", "");
    DataRecord several = dialogue("user ab", "assistant cd", "user ef", "assistant gh");
    String whole = "ab:CD$ef:GH$";
    assertThat(sft(with(text, Format.AUTO, 12, 6), several, Trained.COMPLETION)).isEqualTo(whole);
    assertThat(sft(with(text, Format.AUTO, 11, 6), several, Trained.COMPLETION))
        .isEqualTo(whole.substring(1));
    // An answer without its beginning is not learned; one that fits behind one token is.
    assertThat(sft(with(text, Format.AUTO, 8, 6), several, Trained.COMPLETION))
        .isEqualTo("d$ef:GH$");
    assertThat(sft(with(text, Format.AUTO, 4, 3), several, Trained.COMPLETION)).isEqualTo(":GH$");
    assertThat(sft(with(text, Format.AUTO, 3, 2), several, Trained.COMPLETION)).isEqualTo(":GH");
  }

  @Test
  void pairs_truncate_keepsBothAnswersAndLeavesOutEqualOnes() {
    Tokenization text = with(new LetterText(false, false, 1000), Format.AUTO, 5, 4);
    Preference fits = new Preference(ORIGIN, new Plain("abcdefgh"), "yes", "no", 0);
    TokenPair pair = text.pairs(List.of(fits)).examples().get(0);
    assertThat(marked(pair.chosenSequence())).isEqualTo("hYES$");
    assertThat(marked(pair.rejectedSequence())).isEqualTo("hNO$");
    Preference equal = new Preference(ORIGIN, new Plain("ab"), "xxxx1", "xxxx2", 0);
    Tokenized<TokenPair> both = text.pairs(List.of(fits, equal));
    assertThat(both.examples()).hasSize(1);
    assertThat(both.report().leftOut()).isEqualTo(Map.of("both answers the same", 1));
    assertThat(both.report().describe("pairs"))
        .isEqualTo(
            "1 pair (0 dropped as too long, 1 truncated; the longest had 12 tokens); 1 left out:"
                + " both answers the same");
    assertThatThrownBy(() -> text.pairs(List.of(equal)))
        .hasMessage(
            "none of 1 pair has two different answers, at least not within 5 tokens; nothing can"
                + " be learned from them");
  }

  /** Else a cell that was left empty would teach the model to say nothing. */
  @Test
  void answersThatAreEmpty_areLeftOutAndCounted() {
    Tokenization text = with(CHATTY, Format.AUTO, 100, 50);
    Dialogue silent =
        new Dialogue(
            ORIGIN, List.of(new ChatMessage("user", "a"), new ChatMessage("assistant", "")));
    Tokenized<SftExample> all =
        text.sft(List.of(completion("a", ""), completion("a", "b"), silent), Trained.COMPLETION);
    assertThat(all.examples()).hasSize(1);
    assertThat(all.report().leftOut()).isEqualTo(Map.of("the answer is empty", 2));
    assertThat(all.report().describe("texts")).endsWith("; 2 left out: the answer is empty");
    Preference pair = new Preference(ORIGIN, new Plain("a"), "", "no", 0);
    assertThatThrownBy(() -> text.pairs(List.of(pair)))
        .hasMessage(
            "none of 1 pair has an answer with anything in it; nothing can be learned from them");
  }

  @Test
  void nothingLeft_ofAStage_namesItAndItsList() {
    Tokenization text = dropping(5, 4).of("reward", "data.preferences");
    Preference pair = new Preference(ORIGIN, new Plain("abcdef"), "gh", "ij", 0);
    assertThatThrownBy(() -> text.pairs(List.of(pair, pair)))
        .hasMessageStartingWith(
            "reward: none of 2 pairs of data.preferences fits the length policy (");
  }

  @Test
  void sft_labelThatIsFalse_isLeftOutAndCounted() {
    Completion bad = new Completion(ORIGIN, new Plain("ab"), Answer.of("no"), false);
    Dialogue badToo =
        new Dialogue(
            ORIGIN,
            new Conversation(
                List.of(new ChatMessage("user", "a"), new ChatMessage("assistant", "b"))),
            0,
            Set.of(),
            false);
    Tokenization text = with(CHATTY, Format.AUTO, 100, 50);
    Tokenized<SftExample> all =
        text.sft(
            List.of(bad, completion("a", "b"), badToo, new PlainText(ORIGIN, "t", false)),
            Trained.COMPLETION);
    assertThat(all.examples()).hasSize(1);
    assertThat(all.report().leftOut()).isEqualTo(Map.of("marked as not to imitate", 3));
    assertThat(all.report().describe("texts")).endsWith("; 3 left out: marked as not to imitate");
    assertThatThrownBy(() -> text.sft(List.of(bad), Trained.COMPLETION))
        .hasMessage(
            "none of 1 text is to be imitated: each is marked so (KTO's label: false, and the like)."
                + " Give answers to imitate, pairs to the reward model or DPO, or name the label in"
                + " the source's ignore to imitate them all the same");
    assertThat(text.prompts(List.of(bad), 5).examples()).hasSize(1);
  }

  private static Dialogue dialogue(int prompt, Set<Integer> masked, String... turns) {
    List<ChatMessage> messages = new ArrayList<>();
    for (int i = 0; i < turns.length; i += 2) {
      messages.add(new ChatMessage(turns[i], turns[i + 1]));
    }
    return new Dialogue(ORIGIN, new Conversation(messages), prompt, masked, true);
  }

  @Test
  void sft_turnsMarkedAsNotToLearn_areReadAndNotLearned() {
    Tokenization text = with(CHATTY, Format.AUTO, 100, 50);
    String[] turns = {"user", "a", "assistant", "b", "user", "c", "assistant", "d"};
    assertThat(sft(text, dialogue(0, Set.of(1), turns), Trained.COMPLETION))
        .isEqualTo("<user>a$\n<assistant>b$\n<user>c$\n<assistant>D$");
    assertThat(sft(text, dialogue(0, Set.of(3), turns), Trained.COMPLETION))
        .as("what follows the last that is learned is not read")
        .isEqualTo("<user>a$\n<assistant>B$");
    assertThat(sft(text, dialogue(0, Set.of(1), turns), Trained.ALL))
        .isEqualTo("<USER>A$\n<ASSISTANT>b$\n<USER>C$\n<ASSISTANT>D$");
    assertThat(sft(with(CHATTY, Format.AUTO, 20, 19), dialogue(0, Set.of(1), turns), Trained.ALL))
        .isEqualTo("sER>C$\n<ASSISTANT>D$");
    Tokenized<SftExample> all =
        text.sft(
            List.of(dialogue(0, Set.of(1, 3), turns), completion("a", "b")), Trained.COMPLETION);
    assertThat(all.report().leftOut()).isEqualTo(Map.of("no turn is to be learned", 1));
    assertThatThrownBy(
            () -> text.sft(List.of(dialogue(0, Set.of(1, 3), turns)), Trained.COMPLETION))
        .hasMessage(
            "none of 1 text has a turn that is to be learned (weight: 0 and the like); name the"
                + " field in the source's ignore to learn them all the same");
  }

  /** As TRL: all of a completion is learned, or where it is asked for the assistant's turns. */
  @Test
  void sft_completionOfSeveralTurns_isLearnedWholeOrByTheAssistantAlone() {
    Tokenization text = with(CHATTY, Format.AUTO, 100, 50);
    Dialogue record =
        dialogue(2, Set.of(), "user", "q", "assistant", "w", "user", "a", "assistant", "b");
    assertThat(sft(text, record, Trained.COMPLETION))
        .isEqualTo("<user>q$\n<assistant>w$\n<USER>A$\n<ASSISTANT>B$");
    Dialogue opened =
        dialogue(1, Set.of(), "user", "q", "assistant", "w", "user", "a", "assistant", "b");
    assertThat(sft(text, opened, Trained.COMPLETION))
        .isEqualTo("<user>q$\n<assistant>W$\n<USER>A$\n<ASSISTANT>B$");
    assertThat(text.sft(List.of(opened), Trained.COMPLETION).notices())
        .containsExactly(
            "learned as well: turns that are not the assistant's, within the completions of 1"
                + " record; train-on = assistant learns the assistant's alone");
    assertThat(sft(text, opened, Trained.ASSISTANT))
        .isEqualTo("<user>q$\n<assistant>W$\n<user>a$\n<assistant>B$");
    assertThat(text.sft(List.of(opened), Trained.ASSISTANT).notices()).isEmpty();
    Dialogue masked =
        dialogue(1, Set.of(1), "user", "q", "assistant", "w", "user", "a", "assistant", "b");
    assertThat(sft(text, masked, Trained.COMPLETION))
        .isEqualTo("<user>q$\n<assistant>w$\n<USER>A$\n<ASSISTANT>B$");
    Dialogue maskedTool =
        dialogue(1, Set.of(2), "user", "q", "assistant", "w", "user", "a", "assistant", "b");
    assertThat(sft(text, maskedTool, Trained.COMPLETION))
        .isEqualTo("<user>q$\n<assistant>W$\n<user>a$\n<assistant>B$");
    assertThat(text.prompts(List.of(opened), 5).examples().get(0).text())
        .isEqualTo("<user>q</s>\n<assistant>");
  }

  @Test
  void records_withATemplatesFields_areWrittenOrCounted() {
    Map<String, Object> fields = Map.of("reasoning_content", "hm", "name", "Bo");
    Dialogue dialogue =
        new Dialogue(
            ORIGIN,
            new Conversation(
                List.of(new ChatMessage("user", "a"), new ChatMessage("assistant", "b", fields)),
                Map.of("tools", List.of("t"), "level", 3)),
            0,
            Set.of(),
            true);
    Tokenized<SftExample> all =
        with(CHATTY, Format.AUTO, 100, 50).sft(List.of(dialogue, dialogue), Trained.COMPLETION);
    assertThat(marked(all.examples().get(0).sequence()))
        .isEqualTo("<tools>[t]$\n<user>a$\n<assistant>(HM)B$");
    assertThat(all.notices())
        .containsExactly(
            "left unused: level, of which the model's chat template writes nothing in 1 record",
            "left unused: name of a turn, of which the model's chat template writes nothing in 1"
                + " record");
  }

  @Test
  void records_withASettingAsPlainText_areRefused() {
    Plain prompt =
        new Plain(
            "ab",
            new Setting(List.of(new ChatMessage("system", "s")), Map.of("tools", List.of("t"))));
    Completion record = new Completion(ORIGIN, prompt, Answer.of("c"), true);
    assertThatThrownBy(
            () -> with(CHATTY, Format.AUTO, 100, 50).sft(List.of(record), Trained.COMPLETION))
        .hasMessage(
            "f.jsonl:7: its prompt has a turn by system before it, tools, for which plain text has"
                + " no place; set data.format = chat to write it by the model's chat template, or"
                + " name what may be left out in the source's ignore");
    assertThat(sft(with(CHATTY, Format.CHAT, 100, 50), record, Trained.COMPLETION))
        .isEqualTo("<tools>[t]$\n<system>s$\n<user>ab$\n<assistant>C$");
    Completion thought =
        new Completion(
            ORIGIN,
            new Plain("ab"),
            new Answer("c", Map.of("reasoning_content", "hm"), true),
            true);
    assertThatThrownBy(
            () -> with(CHATTY, Format.AUTO, 100, 50).sft(List.of(thought), Trained.COMPLETION))
        .hasMessageStartingWith("f.jsonl:7: its answer has [reasoning_content], for which plain");
    assertThat(sft(with(CHATTY, Format.CHAT, 100, 50), thought, Trained.COMPLETION))
        .isEqualTo("<user>ab$\n<assistant>(HM)C$");
  }

  @Test
  void sft_turnsBehindTheLastAnswer_areTold() {
    Tokenized<SftExample> all =
        with(CHATTY, Format.AUTO, 100, 50)
            .sft(List.of(dialogue("user a", "assistant b", "user c")), Trained.COMPLETION);
    assertThat(marked(all.examples().get(0).sequence())).isEqualTo("<user>a$\n<assistant>B$");
    assertThat(all.notices())
        .containsExactly("left unused: turns behind the assistant's last one, in 1 record");
  }

  @Test
  void sft_plainTextBesideTurns_isTold() {
    List<DataRecord> mixed = List.of(completion("a", "b"), dialogue("user a", "assistant b"));
    assertThat(with(CHATTY, Format.AUTO, 100, 50).sft(mixed, Trained.COMPLETION).notices())
        .containsExactly(
            "of the texts, 1 went through the chat template and 1 are plain text; data.format ="
                + " chat writes all of them by the template");
    assertThat(with(CHATTY, Format.CHAT, 100, 50).sft(mixed, Trained.COMPLETION).notices())
        .isEmpty();
  }

  @Test
  void prompts_truncated_keepTheEndAndTheBeginningOfSequence() {
    Tokenization text = with(new LetterText(false, true, 1000), Format.AUTO, 10, 4);
    Prompt prompt =
        text.prompts(List.of(new BarePrompt(ORIGIN, new Plain("abcdef"))), 3).examples().get(0);
    assertThat(prompt.tokens()).isEqualTo(TokenIds.of(1, 'd', 'e', 'f'));
    assertThat(prompt.text()).isEqualTo("def");
  }

  @Test
  void prompts_anyShape_areTakenWithUniqueIds() {
    List<DataRecord> records =
        List.of(
            new BarePrompt(ORIGIN, new Plain("a")),
            new Completion(ORIGIN, new Plain("b"), "x"),
            new Dialogue(
                ORIGIN, List.of(new ChatMessage("user", "c"), new ChatMessage("assistant", "x"))));
    List<Prompt> prompts = with(CHATTY, Format.AUTO, 100, 50).prompts(records, 10).examples();
    assertThat(prompts)
        .extracting(Prompt::text)
        .containsExactly("a", "b", "<user>c</s>\n<assistant>");
    assertThat(prompts)
        .extracting(Prompt::id)
        .containsExactly("f.jsonl:7", "f.jsonl:7#2", "f.jsonl:7#3");
  }

  /** Turns after the first are written with them, or they are refused. */
  @Test
  void prompts_inAnEnvironment_keepTheVariablesOfTheirOwn() {
    Conversation asked =
        new Conversation(
            List.of(new ChatMessage("user", "a")),
            Map.of("enable_thinking", false, "tools", List.of()));
    List<DataRecord> records = List.of(new BarePrompt(ORIGIN, new Chat(asked)));
    Tokenization text = with(CHATTY, Format.AUTO, 100, 50);
    assertThat(text.prompts(records, 10).examples()).hasSize(1);
    List<Map<String, Object>> told = new ArrayList<>();
    Prompt prompt =
        text.offering(
                List.of(),
                variables -> {
                  told.add(variables);
                  return Optional.empty();
                })
            .prompts(records, 10)
            .examples()
            .get(0);
    assertThat(told).containsExactly(Map.of("enable_thinking", false));
    assertThat(prompt.variables()).isEqualTo(Map.of("enable_thinking", false));
    assertThat(prompt.bare().variables()).isEmpty();
    assertThatThrownBy(
            () ->
                text.offering(List.of(), variables -> Optional.of("it throws"))
                    .prompts(records, 10))
        .isInstanceOf(DataException.class)
        .hasMessageContaining(
            "gives the chat template enable_thinking (documents or chat_template_kwargs), with"
                + " which it does not write what follows a turn of an episode: it throws; name the"
                + " field in the source's ignore");
  }

  @Test
  void prompts_roomForTheAnswer_lowersTheLimit() {
    List<DataRecord> records =
        List.of(
            new BarePrompt(ORIGIN, new Plain("abcde")), new BarePrompt(ORIGIN, new Plain("ab")));
    assertThat(dropping(10, 8).prompts(records, 6).report())
        .isEqualTo(new LengthReport(1, 0, 5, Map.of("too long", 1)));
    assertThatThrownBy(() -> dropping(10, 8).prompts(records, 10))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("sequences of 10 tokens leave no room for a prompt and an answer");
  }

  @Test
  void prompts_noneFits_saysTheLongestAndTheLimit() {
    List<DataRecord> records = List.of(new BarePrompt(ORIGIN, new Plain("abcdefgh")));
    assertThatThrownBy(() -> dropping(10, 4).prompts(records, 2))
        .isInstanceOf(DataException.class)
        .hasMessage(
            "none of 1 prompt fits the length policy (prompts of at most 4 tokens, 10 in all; the"
                + " longest has 8): raise data.max-tokens or data.max-prompt-tokens, or set"
                + " data.too-long = truncate");
  }

  @Test
  void pairs_bothSides_shareThePrompt() {
    TokenPair pair =
        with(CHATTY, Format.AUTO, 100, 50)
            .pairs(List.of(new Preference(ORIGIN, new Plain("ask"), "yes", "no", .5)))
            .examples()
            .get(0);
    assertThat(marked(pair.chosenSequence())).isEqualTo("askYES$");
    assertThat(marked(pair.rejectedSequence())).isEqualTo("askNO$");
    RankedPair last = pair.lastToken();
    assertThat(last.chosen().reads()).isEqualTo(TokenIds.of(6));
    assertThat(last.margin()).isEqualTo(.5);
    // Without the end of sequence: "yes" against "no" and one padding token, from the first letter.
    RankedPair tokenWise = pair.tokenWise(2);
    assertThat(tokenWise.rejected().tokens()).isEqualTo(TokenIds.of('a', 's', 'k', 'n', 'o', 2));
    assertThat(tokenWise.rejected().reads()).isEqualTo(TokenIds.of(3, 4, 5));
    assertThat(tokenWise.rejectedScoreAt()).isEqualTo(1);
    assertThat(pair.dpo(-1, -2).refRejectedLogprob()).isEqualTo(-2);
  }

  @Test
  void anything_thatNeedsATemplate_saysSoWhenThereIsNone() {
    Dialogue dialogue =
        new Dialogue(
            ORIGIN, List.of(new ChatMessage("user", "hi"), new ChatMessage("assistant", "yo")));
    Tokenization without = with(new LetterText(false, false, 100), Format.AUTO, 100, 50);
    assertThatThrownBy(() -> without.sft(List.of(dialogue), Trained.COMPLETION))
        .hasMessageStartingWith("f.jsonl:7: needs a chat template and the model brings none");
    Tokenization plain = with(CHATTY, Format.PLAIN, 100, 50);
    assertThatThrownBy(() -> plain.sft(List.of(dialogue), Trained.COMPLETION))
        .hasMessageContaining("f.jsonl:7: is a list of messages and data.format is plain");
    Prompt chat =
        with(CHATTY, Format.AUTO, 100, 50)
            .prompts(
                List.of(new BarePrompt(ORIGIN, new Chat(List.of(new ChatMessage("user", "c"))))), 9)
            .examples()
            .get(0);
    assertThat(chat.text()).isEqualTo("<user>c</s>\n<assistant>");
  }

  @Test
  void sft_templateThatRefuses_saysWhichRecord() {
    Dialogue dialogue =
        new Dialogue(
            ORIGIN, List.of(new ChatMessage("tool", "hi"), new ChatMessage("assistant", "yo")));
    Tokenization text = with(CHATTY, Format.AUTO, 100, 50);
    assertThatThrownBy(() -> text.sft(List.of(dialogue), Trained.COMPLETION))
        .isInstanceOf(DataException.class)
        .hasMessage("f.jsonl:7: the model's chat template can't write it: no tools here");
  }

  @Test
  void sft_bareOrEmptyPrompt_isAnError() {
    Tokenization text = with(CHATTY, Format.AUTO, 100, 50);
    assertThatThrownBy(() -> text.sft(List.of(new BarePrompt(ORIGIN, new Plain("p"))), Trained.ALL))
        .hasMessageStartingWith("f.jsonl:7: is a prompt without an answer and can't be imitated");
    assertThatThrownBy(
            () -> text.sft(List.of(new Completion(ORIGIN, new Plain(""), "x")), Trained.ALL))
        .hasMessageContaining("f.jsonl:7: the prompt is empty");
  }

  @Test
  void lengths_reserving_leavesRoomWithinWhatIsSampled() {
    assertThat(new Lengths(100, 90, TooLong.DROP, 60).reserving(20).maxPromptTokens())
        .isEqualTo(40);
    assertThat(new Lengths(100, 30, TooLong.DROP, 60).reserving(20).maxPromptTokens())
        .isEqualTo(30);
    assertThatThrownBy(() -> new Lengths(100, 90, TooLong.DROP, 60).reserving(60))
        .hasMessageContaining("leave no room for a prompt");
  }

  @Test
  void lengths_ofConfig_followTheModelsContext() {
    DataConfig whole =
        new DataConfig(
            List.of(),
            List.of(),
            List.of(),
            List.of(),
            Optional.empty(),
            Format.AUTO,
            0,
            0,
            TooLong.DROP);
    assertThat(Lengths.of(whole, CHATTY)).isEqualTo(new Lengths(1000, 999, TooLong.DROP));
    DataConfig longer =
        new DataConfig(
            List.of(),
            List.of(),
            List.of(),
            List.of(),
            Optional.empty(),
            Format.AUTO,
            2000,
            0,
            TooLong.DROP);
    assertThatThrownBy(() -> Lengths.of(longer, CHATTY))
        .hasMessage(
            "data.max-tokens is 2000 and the model's context is 1000 tokens: lower it, or set 0 for"
                + " the whole context");
  }
}
