package dev.troupe.rlhf.data;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.rlhf.data.DataConfig.Format;
import dev.troupe.rlhf.data.DataConfig.TooLong;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/**
 * Records of every shape with further fields, drawn at random: each field is in the text that is
 * learned, or the record is refused, or a notice names the field.
 */
class EveryFieldTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<String> EXTRA =
      List.of(
          "tools",
          "documents",
          "chat_template_kwargs",
          "system",
          "history",
          "label",
          "kto_tag",
          "images",
          "id",
          "source",
          "margin",
          "text",
          "prompt",
          "question",
          "input",
          "context",
          "response",
          "completion",
          "score_chosen",
          "weight");

  private static final List<String> OF_TURNS =
      List.of("reasoning_content", "tool_calls", "name", "weight", "train", "tool_call_id", "x");

  /** A word that is nowhere else. */
  private static String word(int number) {
    return "word" + number + "end";
  }

  @Property(tries = 2000)
  void record_anyField_isUsedRefusedOrTold(@ForAll long seed) {
    Random random = new Random(seed);
    List<String> words = new ArrayList<>();
    ObjectNode record = shape(random.nextInt(11), random, words);
    for (int i = random.nextInt(4); i > 0; i--) {
      String name = EXTRA.get(random.nextInt(EXTRA.size()));
      if (!record.has(name)) {
        extra(name, record, random, words);
      }
    }
    Origin origin = new Origin("f.jsonl", 1);
    List<String> texts = new ArrayList<>();
    List<String> notices = new ArrayList<>();
    Format format = random.nextBoolean() ? Format.CHAT : Format.AUTO;
    try {
      Fields read = new Fields(record, origin);
      List<DataRecord> records = RecordParser.parse(Shape.AUTO, read);
      notices.addAll(read.unread());
      LetterText text = new LetterText(true, false, 100_000);
      Tokenization tokenization =
          new Tokenization(text, format, new Lengths(100_000, 99_999, TooLong.DROP));
      if (records.get(0) instanceof DataRecord.Preference) {
        List<DataRecord.Preference> pairs =
            records.stream().map(pair -> (DataRecord.Preference) pair).toList();
        Tokenized<TokenPair> all = tokenization.pairs(pairs);
        notices.addAll(all.notices());
        all.examples()
            .forEach(
                pair -> {
                  texts.add(text.decode(pair.chosenSequence().tokens()));
                  texts.add(text.decode(pair.rejectedSequence().tokens()));
                  texts.add("margin " + pair.margin());
                });
      } else if (records.get(0) instanceof DataRecord.BarePrompt) {
        var all = tokenization.prompts(records, 1);
        notices.addAll(all.notices());
        all.examples().forEach(prompt -> texts.add(prompt.text()));
      } else {
        var all = tokenization.sft(records, Trained.ALL);
        notices.addAll(all.notices());
        all.examples().forEach(example -> texts.add(text.decode(example.sequence().tokens())));
      }
    } catch (DataException refused) {
      return;
    }
    String learned = String.join("\n", texts);
    for (String word : words) {
      boolean told =
          record.properties().stream()
              .filter(field -> field.getValue().toString().contains(word))
              .anyMatch(field -> isTold(field.getKey(), notices));
      assertThat(learned.contains(word) || told)
          .as("%s of %s with %s, told %s, learned %s", word, record, format, notices, learned)
          .isTrue();
    }
    for (String field : List.of("label", "kto_tag")) {
      if (record.path(field).isBoolean() && !record.get(field).booleanValue()) {
        assertThat(notices).as("%s", record).anyMatch(notice -> names(notice, field));
      }
    }
  }

  /** A switch of the template is told by its own name. */
  private static boolean isTold(String field, List<String> notices) {
    List<String> names =
        field.equals("chat_template_kwargs") ? List.of(field, "system", "level") : List.of(field);
    return names.stream()
        .anyMatch(name -> notices.stream().anyMatch(notice -> names(notice, name)));
  }

  private static boolean names(String notice, String field) {
    return notice.equals(field)
        || notice.startsWith("left unused: " + field + ",")
        || notice.startsWith("left unused: " + field + " of a turn,");
  }

  private static String fresh(List<String> words) {
    words.add(word(words.size()));
    return words.get(words.size() - 1);
  }

  private static ObjectNode shape(int which, Random random, List<String> words) {
    ObjectNode record = JSON.createObjectNode();
    switch (which) {
      case 0 -> record.put("prompt", fresh(words)).put("completion", fresh(words));
      case 1 -> record.put("question", fresh(words)).put("answer", fresh(words));
      case 2 ->
          record
              .put("instruction", fresh(words))
              .put("input", fresh(words))
              .put("output", fresh(words));
      case 3 ->
          record
              .put("instruction", fresh(words))
              .put("context", fresh(words))
              .put("response", fresh(words));
      case 4 -> record.set("messages", turns(random, words, "role", "content"));
      case 5 -> record.set("conversations", turns(random, words, "from", "value"));
      case 6 ->
          record
              .put("prompt", fresh(words))
              .put("chosen", fresh(words))
              .put("rejected", fresh(words));
      case 7 ->
          record
              .put("question", fresh(words))
              .put("response_j", fresh(words))
              .put("response_k", fresh(words));
      case 8 -> {
        record.set("chosen", turns(random, words, "role", "content"));
        record.set("rejected", turns(random, words, "role", "content"));
      }
      case 9 -> record.put("input", fresh(words)).put("output", fresh(words));
      default -> record.put("text", fresh(words));
    }
    return record;
  }

  private static ArrayNode turns(Random random, List<String> words, String by, String said) {
    ArrayNode turns = JSON.createArrayNode();
    for (String role : List.of("user", "assistant")) {
      ObjectNode turn = turns.addObject().put(by, role);
      if (random.nextInt(4) == 0) {
        turn.putArray(said).addObject().put("type", "text").put("text", fresh(words));
      } else {
        turn.put(said, fresh(words));
      }
    }
    return turns;
  }

  /** A field with a word in it, or what its kind has. */
  private static void extra(String name, ObjectNode record, Random random, List<String> words) {
    if (random.nextInt(6) == 0) {
      record.putNull(name);
      return;
    }
    switch (name) {
      case "label", "kto_tag" -> record.put(name, random.nextBoolean());
      case "margin" -> record.put(name, 2.5);
      case "tools", "documents" -> record.putArray(name).addObject().put("name", fresh(words));
      case "chat_template_kwargs" ->
          record.putObject(name).put(random.nextBoolean() ? "system" : "level", fresh(words));
      case "history" -> record.putArray(name).addArray().add(fresh(words)).add(fresh(words));
      case "images" -> record.putArray(name).add(fresh(words));
      default -> record.put(name, fresh(words));
    }
  }

  /** The same for fields of a turn. */
  @Property(tries = 1000)
  void turn_anyField_isUsedRefusedOrTold(@ForAll long seed) {
    Random random = new Random(seed);
    List<String> words = new ArrayList<>();
    ObjectNode record = JSON.createObjectNode();
    ArrayNode turns = turns(random, words, "role", "content");
    record.set("messages", turns);
    String name = OF_TURNS.get(random.nextInt(OF_TURNS.size()));
    ObjectNode turn = (ObjectNode) turns.get(random.nextInt(2));
    String word = fresh(words);
    if (name.equals("tool_calls")) {
      turn.putArray(name).addObject().put("id", word);
    } else {
      turn.put(name, word);
    }
    try {
      Fields read = new Fields(record, new Origin("f.jsonl", 1));
      List<DataRecord> records = RecordParser.parse(Shape.AUTO, read);
      LetterText text = new LetterText(true, false, 100_000);
      var all =
          new Tokenization(text, Format.AUTO, new Lengths(100_000, 99_999, TooLong.DROP))
              .sft(records, Trained.ALL);
      String learned = text.decode(all.examples().get(0).sequence().tokens());
      assertThat(
              learned.contains(word)
                  || all.notices().stream().anyMatch(notice -> names(notice, name)))
          .as("%s, told %s, learned %s", record, all.notices(), learned)
          .isTrue();
    } catch (DataException refused) {
      assertThat(refused).message().startsWith("f.jsonl:1: ");
    }
  }
}
