package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.rlhf.port.Conversation;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** One record of the user's data, whatever shape its file had. */
public sealed interface DataRecord {
  Origin origin();

  /**
   * A prompt and its answer.
   *
   * @param desirable false for an answer that is not to be imitated (KTO's {@code label})
   */
  record Completion(Origin origin, PromptText prompt, Answer answer, boolean desirable)
      implements DataRecord {
    public Completion(Origin origin, PromptText prompt, String completion) {
      this(origin, prompt, Answer.of(completion), true);
    }

    /** The answer's words. */
    public String completion() {
      return answer.text();
    }
  }

  /**
   * A dialogue with at least one assistant's turn.
   *
   * @param prompt how many of its first turns are a prompt, of which nothing is learned; 0 where
   *     every assistant's turn is an answer
   * @param masked turns of which nothing is learned, as the data say, from 0
   * @param desirable false for answers that are not to be imitated (KTO's {@code label})
   */
  record Dialogue(
      Origin origin, Conversation conversation, int prompt, Set<Integer> masked, boolean desirable)
      implements DataRecord {
    public Dialogue {
      masked = Set.copyOf(masked);
    }

    public Dialogue(Origin origin, List<ChatMessage> messages) {
      this(origin, new Conversation(messages), 0, Set.of(), true);
    }

    /** Whether this is a turn of the assistant's to learn. */
    boolean learns(int turn) {
      return turn >= prompt
          && !masked.contains(turn)
          && messages().get(turn).role().equals("assistant");
    }

    /** Its turns. */
    public List<ChatMessage> messages() {
      return conversation.messages();
    }
  }

  /**
   * Two answers to one prompt, the first the better.
   *
   * @param margin by how much at least, 0 when the data do not say
   */
  record Preference(Origin origin, PromptText prompt, Answer better, Answer worse, double margin)
      implements DataRecord {
    public Preference(
        Origin origin, PromptText prompt, String chosen, String rejected, double margin) {
      this(origin, prompt, Answer.of(chosen), Answer.of(rejected), margin);
    }

    /** The better answer's words. */
    public String chosen() {
      return better.text();
    }

    /** The other's words. */
    public String rejected() {
      return worse.text();
    }
  }

  /**
   * An answer in steps, each judged by itself.
   *
   * @param labels one per step, how likely it is right, from 0 to 1
   */
  record Steps(Origin origin, PromptText prompt, List<String> steps, List<Double> labels)
      implements DataRecord {
    public Steps {
      steps = List.copyOf(steps);
      labels = List.copyOf(labels);
    }
  }

  /**
   * A record that may say what somebody thinks of its answer.
   *
   * @param record with prompt and answer
   * @param good whether the answer was found good, where the record says it
   * @param score of the answer, where the record has one
   */
  record Judged(DataRecord record, Optional<Boolean> good, Optional<Double> score)
      implements DataRecord {
    @Override
    public Origin origin() {
      return record.origin();
    }
  }

  /** A prompt without an answer. */
  record BarePrompt(Origin origin, PromptText prompt) implements DataRecord {}

  /**
   * Text without parts.
   *
   * @param desirable false for one that is not to be imitated (KTO's {@code label})
   */
  record PlainText(Origin origin, String text, boolean desirable) implements DataRecord {
    public PlainText(Origin origin, String text) {
      this(origin, text, true);
    }
  }

  /**
   * A record whose prompt is answered and scored.
   *
   * @param record with the prompt
   * @param answer what is right, where the record says it
   * @param metadata fields that nothing else was made of, by name and as JSON has them
   */
  record Task(DataRecord record, Optional<String> answer, Map<String, @Nullable Object> metadata)
      implements DataRecord {
    public Task {
      metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
    }

    @Override
    public Origin origin() {
      return record.origin();
    }
  }
}
