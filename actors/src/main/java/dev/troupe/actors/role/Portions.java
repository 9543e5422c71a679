package dev.troupe.actors.role;

import dev.troupe.protocol.data.Part;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.message.RoleWorker;
import dev.troupe.rlhf.port.Sampler;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * One list of prompts, cut so that many can answer it. A worker that is free gets the next portion,
 * so that a slow one does less. The cuts depend on the number of prompts and of workers alone, and
 * a portion's answers on its prompts, the seed and the weights: who gives them does not matter.
 * What is done with the answers is cut otherwise, into {@link Part}s that no number of workers
 * changes.
 */
final class Portions {
  /** Prompts that fill an engine; where there are many more, a worker has portions of a share. */
  private static final int FULL = 16;

  private static final int PORTIONS_OF_A_SHARE = 4;

  /** Consecutive prompts. */
  record Portion(int from, List<Prompt> prompts) {}

  private final RoleWorker.Generate work;
  private final Rollout[] answers;
  private final Deque<Portion> waiting = new ArrayDeque<>();

  /** Parts that lack an answer, in order. */
  private final List<Part> open;

  /** Those with an answer whose log-probabilities depend on what was sampled beside it. */
  private final Set<Part> mixed = new HashSet<>();

  private int unanswered;

  Portions(RoleWorker.Generate work, int workers) {
    this.work = work;
    List<Prompt> prompts = work.prompts();
    answers = new Rollout[prompts.size() * work.answers()];
    int size = size(prompts.size(), workers);
    for (int from = 0; from < prompts.size(); from += size) {
      int to = Math.min(prompts.size(), from + size);
      waiting.add(new Portion(from, List.copyOf(prompts.subList(from, to))));
    }
    unanswered = waiting.size();
    open = new ArrayList<>(Part.of(prompts.size(), work.answers()));
  }

  /** How many prompts a worker gets at a time. */
  static int size(int prompts, int workers) {
    int share = ceil(prompts, Math.max(1, workers));
    return Math.max(1, Math.min(share, Math.max(FULL, ceil(share, PORTIONS_OF_A_SHARE))));
  }

  private static int ceil(int all, int parts) {
    return (all + parts - 1) / parts;
  }

  /** Portions that nobody has. */
  int waiting() {
    return waiting.size();
  }

  /** The next that waits. */
  Portion next() {
    return waiting.remove();
  }

  /** Whoever had it is gone: it is the next. */
  void giveBack(Portion portion) {
    waiting.addFirst(portion);
  }

  /** What is asked of the worker that gets it. */
  RoleWorker.Generate work(Portion portion) {
    return new RoleWorker.Generate(portion.prompts(), work.answers(), work.settings());
  }

  /** What is wrong with its answers, if so: how the sentence goes on after who gave them. */
  Optional<String> fault(Portion portion, List<Rollout> rollouts) {
    return Sampler.fault(portion.prompts(), work.answers(), rollouts);
  }

  /**
   * Its answers are there.
   *
   * @return the parts that are complete now and were not before
   */
  List<Part> answered(Portion portion, RoleWorker.Generated generated) {
    List<Rollout> rollouts = generated.rollouts();
    for (int i = 0; i < rollouts.size(); i++) {
      answers[portion.from() * work.answers() + i] = rollouts.get(i);
    }
    unanswered--;
    if (!generated.byRow()) {
      int to = portion.from() + portion.prompts().size();
      open.stream()
          .filter(part -> part.from() < to && portion.from() < part.to())
          .forEach(mixed::add);
    }
    List<Part> complete = open.stream().filter(this::isComplete).toList();
    open.removeAll(complete);
    return complete;
  }

  private boolean isComplete(Part part) {
    for (int i = part.from() * work.answers(); i < part.to() * work.answers(); i++) {
      if (answers[i] == null) {
        return false;
      }
    }
    return true;
  }

  /** Whether the log-probabilities of a complete part depend on nothing sampled beside it. */
  boolean byRow(Part part) {
    return !mixed.contains(part);
  }

  /** A complete part's answers. */
  List<Rollout> answers(Part part) {
    return List.of(
        Arrays.copyOfRange(answers, part.from() * work.answers(), part.to() * work.answers()));
  }

  /** Others in their place. */
  void replace(Part part, List<Rollout> rollouts) {
    for (int i = 0; i < rollouts.size(); i++) {
      answers[part.from() * work.answers() + i] = rollouts.get(i);
    }
  }

  /** Portions without an answer. */
  int unanswered() {
    return unanswered;
  }

  /** All answers, in the prompts' order. */
  List<Rollout> answers() {
    return List.of(answers);
  }
}
