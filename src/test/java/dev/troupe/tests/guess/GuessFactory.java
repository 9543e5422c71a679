package dev.troupe.tests.guess;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.EnvironmentFactory;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/** Guess a digit: after each guess the policy reads whether it is more or less. */
public final class GuessFactory implements EnvironmentFactory {
  @Override
  public String name() {
    return "guess";
  }

  @Override
  public Environment create(Environment.Task task) {
    return new Guess((int) (task.seed() % 10));
  }

  private record Guess(int secret) implements Environment {
    @Override
    public Observation reset() {
      return said("?");
    }

    @Override
    public Observation step(Action action) {
      String guess = action.text().strip();
      if (guess.isEmpty() || !Character.isDigit(guess.charAt(0))) {
        return said("digit");
      }
      int digit = guess.charAt(0) - '0';
      return digit == secret
          ? new Observation(List.of(), OptionalDouble.of(1), true, Map.of("found", 1.0))
          : said(digit < secret ? "more" : "less");
    }

    /** Not found is a reward too; an episode without any would be left out. */
    @Override
    public Observation cut(String unfinished) {
      return new Observation(List.of(), OptionalDouble.of(0), true, Map.of("found", 0.0));
    }

    private static Observation said(String words) {
      return new Observation(
          List.of(new ChatMessage("user", words)), OptionalDouble.empty(), false, Map.of());
    }
  }
}
