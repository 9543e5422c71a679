package dev.troupe.rlhf.environment;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.EnvironmentFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * A tool that works out arithmetic. An episode is over with the first turn that calls no tool; what
 * it is worth is for the stage's rewards to say.
 */
final class Calculator implements EnvironmentFactory {
  static final String NAME = "calculator";
  private static final String EXPRESSION = "expression";

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public List<Map<String, @Nullable Object>> tools() {
    return List.of(
        Map.of(
            "type",
            "function",
            "function",
            Map.of(
                "name",
                NAME,
                "description",
                "Works out an arithmetic expression.",
                "parameters",
                Map.of(
                    "type",
                    "object",
                    "properties",
                    Map.of(
                        EXPRESSION,
                        Map.of(
                            "type",
                            "string",
                            "description",
                            "Numbers, + - * / ^ and brackets, such as (3 + 4) * 12.5")),
                    "required",
                    List.of(EXPRESSION)))));
  }

  @Override
  public Environment create(Environment.Task task) {
    return new Session();
  }

  /** Keeps nothing. */
  private static final class Session implements Environment {
    @Override
    public Observation reset() {
      return Observation.none();
    }

    @Override
    public Observation step(Action action) {
      List<ChatMessage> answers = new ArrayList<>();
      int failed = 0;
      for (ToolCall call : action.calls()) {
        String answer;
        try {
          answer = answer(call);
        } catch (ArithmeticException e) {
          answer = "error: " + e.getMessage();
          failed++;
        }
        answers.add(new ChatMessage("tool", answer));
      }
      return new Observation(
          answers, OptionalDouble.empty(), action.calls().isEmpty(), Map.of(), failed);
    }

    private static String answer(ToolCall call) {
      if (!call.name().equals(NAME)) {
        throw new ArithmeticException("there is no tool " + call.name() + ", only " + NAME);
      }
      Object expression = call.arguments().get(EXPRESSION);
      if (!(expression instanceof String || expression instanceof Number)) {
        throw new ArithmeticException("expected the argument " + EXPRESSION + ", a text");
      }
      return Arithmetic.of(expression.toString());
    }
  }
}
