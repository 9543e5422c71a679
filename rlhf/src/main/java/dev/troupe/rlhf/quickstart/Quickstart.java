package dev.troupe.rlhf.quickstart;

import dev.troupe.rlhf.quickstart.ShopGrammar.Question;
import dev.troupe.rlhf.quickstart.ShopGrammar.Tone;
import dev.troupe.rlhf.quickstart.ShopGrammar.Topic;
import dev.troupe.rlhf.recipe.Oracle;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * The quickstart's data: the same seed makes the same data on every machine.
 *
 * <p>Prompts are drawn without repetition until the language's 2,560 are used up, then again from
 * the start. The replies of {@link #answered} carry every mix of tones, so that a model which
 * learned them satisfies the rule in about a third of its replies.
 */
public final class Quickstart {
  /** A prompt and one reply to it. The reply begins with a space. */
  public record Answered(String prompt, String reply) {}

  /** A prompt and two replies to it, the friendly one chosen. Replies begin with a space. */
  public record Preference(String prompt, String chosen, String rejected) {}

  // Each kind of data has its own stream of random numbers, so that asking for more of one changes
  // nothing in another.
  private static final long CORPUS = 1;
  private static final long ANSWERED = 2;
  private static final long PREFERENCES = 3;
  private static final long PROMPTS = 4;

  private final long seed;

  public Quickstart(long seed) {
    this.seed = seed;
  }

  /** Documents to train a tokenizer and a base model on: dialogues of several turns, and notes. */
  public List<String> corpus(int size) {
    SplittableRandom random = random(CORPUS);
    List<Question> questions = ShopGrammar.questions();
    List<String> documents = new ArrayList<>(size);
    for (int i = 0; i < size; i++) {
      documents.add(random.nextInt(4) == 0 ? note(questions, random) : dialogue(questions, random));
    }
    return documents;
  }

  /** Prompts with a reply, of every tone, for SFT. */
  public List<Answered> answered(int size) {
    SplittableRandom random = random(ANSWERED);
    List<Answered> all = new ArrayList<>(size);
    for (Question question : drawn(size, random)) {
      String reply = ShopGrammar.reply(question, anyTone(random), anyTone(random), random);
      all.add(new Answered(question.prompt(), " " + reply));
    }
    return all;
  }

  /** The same answer said twice: chosen in a friendly tone, rejected in another. */
  public List<Preference> preferences(int size) {
    SplittableRandom random = random(PREFERENCES);
    List<Preference> all = new ArrayList<>(size);
    for (Question question : drawn(size, random)) {
      String answer = ShopGrammar.answer(question, random);
      String chosen;
      do {
        chosen = ShopGrammar.toned(answer, anyTone(random), anyTone(random), random);
      } while (!ShopGrammar.friendly(chosen));
      String rejected;
      do {
        rejected = ShopGrammar.toned(answer, anyTone(random), anyTone(random), random);
      } while (ShopGrammar.friendly(rejected));
      all.add(new Preference(question.prompt(), " " + chosen, " " + rejected));
    }
    return all;
  }

  /** Prompts alone, for PPO. */
  public List<String> prompts(int size) {
    return drawn(size, random(PROMPTS)).stream().map(Question::prompt).toList();
  }

  /** Judges replies by the grammar and the hidden rule. */
  public static Oracle oracle() {
    return new Oracle() {
      @Override
      public boolean ruleSatisfied(String prompt, String reply) {
        return ShopGrammar.friendly(reply);
      }

      @Override
      public boolean wellFormed(String prompt, String reply) {
        return ShopGrammar.parsePrompt(prompt)
            .filter(question -> ShopGrammar.answers(question, reply))
            .isPresent();
      }
    };
  }

  private SplittableRandom random(long stream) {
    // The odd constant keeps the streams of neighbouring seeds apart.
    return new SplittableRandom(seed * 0x9E3779B97F4A7C15L + stream);
  }

  private static List<Question> drawn(int size, SplittableRandom random) {
    List<Question> drawn = new ArrayList<>(size);
    List<Question> pool = new ArrayList<>();
    while (drawn.size() < size) {
      if (pool.isEmpty()) {
        pool.addAll(ShopGrammar.questions());
      }
      int last = pool.size() - 1;
      int chosen = random.nextInt(pool.size());
      drawn.add(pool.get(chosen));
      pool.set(chosen, pool.get(last));
      pool.remove(last);
    }
    return drawn;
  }

  private static Tone anyTone(SplittableRandom random) {
    int draw = random.nextInt(5);
    return draw < 2 ? Tone.FRIENDLY : draw < 4 ? Tone.UNFRIENDLY : Tone.NONE;
  }

  private static String dialogue(List<Question> questions, SplittableRandom random) {
    StringBuilder text = new StringBuilder();
    int turns = 1 + random.nextInt(3);
    for (int turn = 0; turn < turns; turn++) {
      Question question = ShopGrammar.pick(questions, random);
      text.append(turn == 0 ? "" : "\n")
          .append(question.prompt())
          .append(' ')
          .append(ShopGrammar.reply(question, anyTone(random), anyTone(random), random));
    }
    return text.append("\nThe shop is closed.").toString();
  }

  private static String note(List<Question> questions, SplittableRandom random) {
    Question about = ShopGrammar.pick(questions, random);
    StringBuilder text = new StringBuilder("Note on ").append(about.item()).append('.');
    for (Topic topic : Topic.values()) {
      Question question = new Question("", topic, topic.questions().get(0), "", about.item());
      text.append(' ').append(ShopGrammar.reply(question, Tone.NONE, Tone.NONE, random));
    }
    return text.toString();
  }
}
