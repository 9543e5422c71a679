package dev.troupe.rlhf.quickstart;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/**
 * The language of the shop.
 *
 * <pre>
 * prompt = "Customer: " [greeting " "] question "\nClerk:"
 * reply  = [opener " "] answer [" " closer]
 * </pre>
 *
 * A question asks one {@link Topic} about one item; an answer fits when it is an answer of that
 * topic and names that item. Openers and closers carry the tone.
 */
final class ShopGrammar {
  static final List<String> ITEMS =
      List.of(
          "bread", "milk", "tea", "coffee", "rice", "soap", "paper", "honey", "butter", "cheese",
          "salt", "sugar", "flour", "soup", "juice", "rope", "paint", "glue", "wood", "glass");
  static final List<String> GREETINGS = List.of("", "Hello.", "Good morning.", "Excuse me.");
  static final List<String> QUALITIES = List.of("", "fresh ", "cheap ", "good ");
  static final List<String> FRIENDLY_OPENERS =
      List.of("Of course!", "Gladly!", "Welcome, friend!", "With pleasure!");
  static final List<String> FRIENDLY_CLOSERS =
      List.of("Have a nice day!", "Enjoy it!", "Happy to help!", "Thank you for asking!");
  static final List<String> UNFRIENDLY_OPENERS =
      List.of("What now?", "Not you again.", "Hurry up.", "Use your eyes.");
  static final List<String> UNFRIENDLY_CLOSERS =
      List.of("Now go away.", "Stop asking.", "I am busy.", "Do not come back.");
  static final String CUSTOMER = "Customer: ";
  static final String CLERK = "Clerk:";

  /** What a customer can want to know; {@code @} stands for the item, {@code #} for a number. */
  enum Topic {
    STOCK("Do you have @?", "I am looking for @.", "We have @.", "There is @ for you."),
    PLACE(
        "Where is the @?", "Which shelf has the @?", "The @ is on shelf #.", "Shelf # has the @."),
    PRICE(
        "How much is the @?",
        "What does the @ cost?",
        "The @ costs # coins.",
        "It is # coins for the @."),
    COMPLAINT(
        "My @ is late.", "My @ did not come.", "Your @ comes on day #.", "We send new @ on day #.");

    private final String question;
    private final String otherQuestion;
    private final String answer;
    private final String otherAnswer;

    Topic(String question, String otherQuestion, String answer, String otherAnswer) {
      this.question = question;
      this.otherQuestion = otherQuestion;
      this.answer = answer;
      this.otherAnswer = otherAnswer;
    }

    List<String> questions() {
      return List.of(question, otherQuestion);
    }

    List<String> answers() {
      return List.of(answer, otherAnswer);
    }
  }

  /** A question asked about an item. */
  record Question(String greeting, Topic topic, String wording, String quality, String item) {
    /** As the model sees it. */
    String prompt() {
      return CUSTOMER
          + (greeting.isEmpty() ? "" : greeting + " ")
          + wording.replace("@", quality + item)
          + "\n"
          + CLERK;
    }
  }

  /** The mood of an opener or closer. */
  enum Tone {
    FRIENDLY,
    UNFRIENDLY,
    NONE
  }

  private ShopGrammar() {}

  /** Every question of the language, in a fixed order. */
  static List<Question> questions() {
    List<Question> all = new ArrayList<>();
    for (String greeting : GREETINGS) {
      for (Topic topic : Topic.values()) {
        for (String wording : topic.questions()) {
          for (String quality : QUALITIES) {
            for (String item : ITEMS) {
              all.add(new Question(greeting, topic, wording, quality, item));
            }
          }
        }
      }
    }
    return all;
  }

  /** A fitting answer, without opener and closer. */
  static String answer(Question question, SplittableRandom random) {
    return pick(question.topic().answers(), random)
        .replace("@", question.item())
        .replace("#", Integer.toString(1 + random.nextInt(9)));
  }

  /** A fitting reply with this tone, without a leading space. */
  static String reply(Question question, Tone opener, Tone closer, SplittableRandom random) {
    return toned(answer(question, random), opener, closer, random);
  }

  /** An answer said in this tone. */
  static String toned(String answer, Tone opener, Tone closer, SplittableRandom random) {
    String before =
        switch (opener) {
          case FRIENDLY -> pick(FRIENDLY_OPENERS, random) + " ";
          case UNFRIENDLY -> pick(UNFRIENDLY_OPENERS, random) + " ";
          case NONE -> "";
        };
    String after =
        switch (closer) {
          case FRIENDLY -> " " + pick(FRIENDLY_CLOSERS, random);
          case UNFRIENDLY -> " " + pick(UNFRIENDLY_CLOSERS, random);
          case NONE -> "";
        };
    return before + answer + after;
  }

  /** The question behind a prompt, when it is one of the language. */
  static Optional<Question> parsePrompt(String prompt) {
    return questions().stream().filter(question -> question.prompt().equals(prompt)).findFirst();
  }

  /** Whether the whole reply is one of the language and answers the question. */
  static boolean answers(Question question, String reply) {
    String rest = reply.strip();
    for (String opener : phrases(FRIENDLY_OPENERS, UNFRIENDLY_OPENERS)) {
      if (rest.startsWith(opener + " ")) {
        rest = rest.substring(opener.length() + 1);
        break;
      }
    }
    for (String closer : phrases(FRIENDLY_CLOSERS, UNFRIENDLY_CLOSERS)) {
      if (rest.endsWith(" " + closer)) {
        rest = rest.substring(0, rest.length() - closer.length() - 1);
        break;
      }
    }
    String numberless = rest.replaceFirst("\\b[1-9]\\b", "#");
    return question.topic().answers().stream()
        .anyMatch(answer -> answer.replace("@", question.item()).equals(numberless));
  }

  /** At least one friendly phrase and no unfriendly one. */
  static boolean friendly(String reply) {
    return phrases(FRIENDLY_OPENERS, FRIENDLY_CLOSERS).stream().anyMatch(reply::contains)
        && phrases(UNFRIENDLY_OPENERS, UNFRIENDLY_CLOSERS).stream().noneMatch(reply::contains);
  }

  static <T> T pick(List<T> choices, SplittableRandom random) {
    return choices.get(random.nextInt(choices.size()));
  }

  private static List<String> phrases(List<String> some, List<String> others) {
    return Stream.concat(some.stream(), others.stream()).toList();
  }
}
