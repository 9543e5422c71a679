package dev.troupe.rlhf.reward;

import dev.troupe.rlhf.limits.Limits;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * One reward of a stage. A stage's rewards have names, by which metrics and errors know them, and
 * its score is the sum of their scores, each times its weight.
 */
public sealed interface RewardConfig {
  /** What its score is multiplied by; below 0 for a penalty. */
  double weight();

  /** Whether it compares with the data's answer, so that a prompt without one cannot be scored. */
  default boolean needsAnswer() {
    return false;
  }

  /** Whether its 1 says that an answer is right: it compares, or runs tests. */
  default boolean saysRight() {
    return needsAnswer();
  }

  /** Whether its score, weight included, may be below 0 by its own kind. */
  default boolean mayBeNegative() {
    return weight() < 0;
  }

  /** Whether one of them is the run's reward model. */
  static boolean needModel(Map<String, RewardConfig> rewards) {
    return rewards.values().stream().anyMatch(Model.class::isInstance);
  }

  /** Whether one of them is what an environment gives, which only an episode has. */
  static boolean needEnvironment(Map<String, RewardConfig> rewards) {
    return rewards.values().stream().anyMatch(Environment.class::isInstance);
  }

  /**
   * The one whose 1 says that an answer is right.
   *
   * @param named by the configuration
   * @return that, or the only one that {@linkplain #saysRight says so}; absent where none does, or
   *     more than one might
   */
  static Optional<String> right(Map<String, RewardConfig> rewards, Optional<String> named) {
    List<String> judges =
        rewards.entrySet().stream()
            .filter(entry -> entry.getValue().saysRight())
            .map(Map.Entry::getKey)
            .toList();
    return named.or(() -> judges.size() == 1 ? Optional.of(judges.get(0)) : Optional.empty());
  }

  /** Files that scores depend on, by the keys that name them. */
  static Map<String, String> files(String section, Map<String, RewardConfig> rewards) {
    Map<String, String> files = new TreeMap<>();
    rewards.forEach(
        (name, reward) -> {
          if (reward instanceof JsonSchema json) {
            files.put(section + "." + name + ".schema", json.schema());
          }
        });
    return files;
  }

  private static Limits limits(double weight) {
    return new Limits()
        .condition("weight", weight, Double.isFinite(weight) && weight != 0, "a number but 0");
  }

  /**
   * The run's reward model: that of the stage reward, or of start.reward.
   *
   * @param placement where its score is read
   */
  record Model(double weight, Placement placement) implements RewardConfig {
    /** Where a reward model's score is read. */
    public enum Placement {
      /** At the response's last token. */
      MODERN,
      /** Where DeepSpeed-Chat reads it, with an end of sequence that is padding. */
      DEEPSPEED_CHAT
    }

    public Model {
      limits(weight).verify();
    }

    @Override
    public boolean mayBeNegative() {
      return true;
    }
  }

  /** What the stage's environment gave in an episode, its steps' rewards together. */
  record Environment(double weight) implements RewardConfig {
    public Environment {
      limits(weight).verify();
    }

    @Override
    public boolean mayBeNegative() {
      return true;
    }
  }

  /**
   * 1 where the answer found in the text is the data's, mathematically; else 0.
   *
   * @param compare by what it means, or as MATH's rule has it
   */
  @SuppressWarnings("JavaLangClash") // the configuration's word
  record Math(double weight, Compare compare) implements RewardConfig {
    /** How two answers are compared. */
    public enum Compare {
      /** {@link MathAnswer}: 1/2 is 0.5. */
      MEANING,
      /** {@link MathText}: what stands in the last box, letter by letter in a normal form. */
      TEXT
    }

    public Math {
      limits(weight).verify();
    }

    @Override
    public boolean needsAnswer() {
      return true;
    }
  }

  /**
   * 1 where the number in the text is the data's; else 0.
   *
   * @param place where the number stands
   */
  @SuppressWarnings("JavaLangClash") // the configuration's word
  record Number(double weight, NumberAnswer.Place place) implements RewardConfig {
    public Number {
      limits(weight).verify();
    }

    @Override
    public boolean needsAnswer() {
      return true;
    }
  }

  /**
   * 1 where the whole answer is the data's, white space aside; else 0.
   *
   * @param letterCase whether capitals matter
   */
  record Exact(double weight, ExactAnswer.LetterCase letterCase) implements RewardConfig {
    public Exact {
      limits(weight).verify();
    }

    @Override
    public boolean needsAnswer() {
      return true;
    }
  }

  /**
   * 1 where a regular expression finds what it is to; else 0.
   *
   * @param expression of Java's syntax; a dot matches line breaks too
   * @param use it matches the whole answer, or somewhere, or captures the data's answer
   */
  record Pattern(double weight, String expression, PatternRule.Use use) implements RewardConfig {
    public Pattern {
      String fault = PatternRule.fault(expression, use);
      limits(weight)
          .condition("expression", "\"" + expression + "\"", fault.isEmpty(), fault, "use")
          .verify();
    }

    @Override
    public boolean needsAnswer() {
      return use == PatternRule.Use.CAPTURES;
    }
  }

  /**
   * 1 where the last quantity in the text is the data's, units converted; else 0.
   *
   * @param tolerance relative
   */
  record Quantity(double weight, double tolerance) implements RewardConfig {
    public Quantity {
      limits(weight).atLeast("tolerance", tolerance, 0).verify();
    }

    @Override
    public boolean needsAnswer() {
      return true;
    }
  }

  /**
   * 1 for an answer of tagged sections alone, each once and in order; else 0.
   *
   * @param tags names of the sections, such as think
   * @param rest what may follow the last section
   */
  record Format(double weight, List<String> tags, FormatRule.Rest rest) implements RewardConfig {
    public Format {
      tags = List.copyOf(tags);
      limits(weight)
          .condition(
              "tags",
              tags,
              FormatRule.valid(tags),
              "one or more different names of letters, digits, - and _, without < and >")
          .verify();
    }
  }

  /**
   * 1 for an answer whose number of words is within bounds; else 0.
   *
   * @param fewest words
   * @param most words
   */
  record Length(double weight, int fewest, int most) implements RewardConfig {
    public Length {
      limits(weight)
          .atLeast("fewest", fewest, 0)
          .condition("most", most, most >= fewest, "at least fewest (" + fewest + ")", "fewest")
          .verify();
    }
  }

  /**
   * Minus the share of an answer's n-grams that were there before.
   *
   * @param words n
   */
  record Repetition(double weight, int words) implements RewardConfig {
    public Repetition {
      limits(weight).atLeast("words", words, 1).verify();
    }

    @Override
    public boolean mayBeNegative() {
      return weight > 0;
    }
  }

  /**
   * The share of an answer's letters that belong to scripts; 1 without letters.
   *
   * @param scripts by Unicode's names, such as Latin, Cyrillic or Han
   */
  record Script(double weight, List<String> scripts) implements RewardConfig {
    public Script {
      scripts = List.copyOf(scripts);
      limits(weight)
          .condition(
              "scripts",
              scripts,
              !scripts.isEmpty() && ScriptRule.unknown(scripts).isEmpty(),
              "one or more of Unicode's, such as Latin, Cyrillic or Han"
                  + ScriptRule.unknown(scripts).map(name -> "; unknown: " + name).orElse(""))
          .verify();
    }
  }

  /**
   * DAPO's soft punishment of long answers: 0 up to {@code limit − buffer} tokens, falling to −1 at
   * the limit.
   *
   * @param limit tokens from which it is −1
   * @param buffer tokens before the limit at which it begins
   */
  record Overlong(double weight, int limit, int buffer) implements RewardConfig {
    public Overlong {
      limits(weight)
          .atLeast("limit", limit, 1)
          .condition(
              "buffer",
              buffer,
              buffer >= 1 && buffer <= limit,
              "from 1 to limit (" + limit + ")",
              "limit")
          .verify();
    }

    @Override
    public boolean mayBeNegative() {
      return weight > 0;
    }
  }

  /**
   * 1 where the answer is JSON that a schema allows; else 0.
   *
   * @param schema a file with a JSON Schema
   * @param part what of the answer is read
   */
  record JsonSchema(double weight, String schema, Part part) implements RewardConfig {
    /** What of an answer is read as JSON. */
    public enum Part {
      /** All of it. */
      WHOLE,
      /** What stands in its last fenced block. */
      LAST_BLOCK
    }

    public JsonSchema {
      limits(weight).condition("schema", "empty", !schema.isBlank(), "a file").verify();
    }
  }

  /**
   * A function of the user's, in Java.
   *
   * @param function its name
   * @param batch most samples of a call; 0 for all at once
   * @param timeLimitSeconds of a call, after which its samples are left out
   */
  record Java(double weight, String function, int batch, double timeLimitSeconds)
      implements RewardConfig {
    public Java {
      limits(weight)
          .condition("function", "empty", !function.isBlank(), "a function's name")
          .atLeast("batch", batch, 0)
          .above("time-limit-seconds", timeLimitSeconds, 0)
          .verify();
    }
  }

  /**
   * A service asked by HTTP.
   *
   * @param url that batches are posted to
   * @param batch most samples of a request; 0 for all at once
   * @param requests at the same time, at most
   * @param timeoutSeconds of a request
   * @param attempts at a request, the first included
   * @param failuresToBreak requests that failed in a row, all attempts made, after which none is
   *     made for a while
   * @param breakSeconds how long
   * @param maxMegabytes of a reply
   * @param tokenVariable environment variable whose value is sent as a bearer token; null for none
   */
  record Http(
      double weight,
      String url,
      int batch,
      int requests,
      double timeoutSeconds,
      int attempts,
      int failuresToBreak,
      double breakSeconds,
      int maxMegabytes,
      Optional<String> tokenVariable)
      implements RewardConfig {
    public Http {
      limits(weight)
          .condition(
              "url",
              url,
              url.matches("https?://[^\\s/]+.*"),
              "an address that begins with http:// or https://")
          .atLeast("batch", batch, 0)
          .atLeast("requests", requests, 1)
          .above("timeout-seconds", timeoutSeconds, 0)
          .within("attempts", attempts, 1, 20)
          .atLeast("failures-to-break", failuresToBreak, 1)
          .atLeast("break-seconds", breakSeconds, 0)
          .within("max-megabytes", maxMegabytes, 1, 1024)
          .verify();
    }
  }

  /**
   * Runs the program in the answer's last fenced block on the tests that the data have, in a
   * sandbox.
   *
   * @param tests metadata field with a list of {@code {"input": text, "output": text}}
   * @param command what runs {@code file}; an absolute path, or a name in /usr/bin
   * @param file the program's name in its directory
   * @param credit for some tests passed
   * @param timeLimitSeconds of a test, on the clock and of processor time
   * @param memoryMegabytes of a process
   * @param processes of a test, at most
   * @param parallel tests at the same time
   */
  record Code(
      double weight,
      String tests,
      List<String> command,
      String file,
      Credit credit,
      double timeLimitSeconds,
      int memoryMegabytes,
      int processes,
      int parallel)
      implements RewardConfig {
    /** What some of the tests passed are worth. */
    public enum Credit {
      /** 1 for all of them, 0 for fewer. */
      ALL,
      /** Their share. */
      SHARE
    }

    public Code {
      command = List.copyOf(command);
      limits(weight)
          .condition("tests", "empty", !tests.isBlank(), "the name of a field")
          .condition(
              "command",
              command,
              !command.isEmpty() && command.stream().noneMatch(String::isEmpty),
              "a program and its arguments")
          .condition("file", file, file.matches("[A-Za-z0-9_.-]+"), "a file's name")
          .within("time-limit-seconds", timeLimitSeconds, 0.1, 600)
          .within("memory-megabytes", memoryMegabytes, 16, 1 << 20)
          .within("processes", processes, 1, 10_000)
          .within("parallel", parallel, 1, 256)
          .verify();
    }

    @Override
    public boolean saysRight() {
      return true;
    }
  }
}
