package dev.troupe.rlhf.selfinstruct;

import dev.troupe.rlhf.selfinstruct.TaskWriter.Written;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.Predicate;

/**
 * Writes tasks (Wang et al. 2023, section 2). A round asks for instructions after some of the seed
 * tasks and some that were written, asks of each that may join whether it is a classification, and
 * for examples. What a round shows and which seeds it hands the writer depend on the seed and the
 * round's number alone, so that with a writer that repeats itself a run that was interrupted goes
 * on as if it had not been. For one thread.
 */
public final class SelfInstruct {
  private static final int LONGEST_LIST = 1024;
  private static final int LONGEST_VERDICT = 4;
  private static final int LONGEST_EXAMPLES = 350;

  private final TaskWriter writer;
  private final List<Task> seeds;
  private final Settings settings;
  private final Instructions known;
  private final List<Task> written = new ArrayList<>();

  /**
   * How it is done.
   *
   * @param seed of what is shown
   * @param fromSeeds seed tasks that a round shows
   * @param fromWritten written tasks that it shows, while there are fewer, seeds in their place
   * @param classifications seed tasks that are, shown for the question whether one is
   * @param others seed tasks that are not, shown for it
   * @param examples seed tasks of the same kind, shown with theirs for examples
   * @param similar from which ROUGE-L on an instruction is too much like another
   */
  public record Settings(
      long seed,
      int fromSeeds,
      int fromWritten,
      int classifications,
      int others,
      int examples,
      double similar) {
    /** With the paper's numbers. */
    public static Settings papers(long seed, double similar) {
      return new Settings(seed, 6, 2, 12, 19, 4, similar);
    }
  }

  /**
   * What a round brought.
   *
   * @param kept in the order they were written
   * @param dropped what was not kept, by reason
   */
  public record Round(List<Task> kept, DropCount dropped) {}

  /**
   * @param written by earlier rounds
   */
  public SelfInstruct(TaskWriter writer, List<Task> seeds, List<Task> written, Settings settings) {
    this.writer = writer;
    this.seeds = List.copyOf(seeds);
    this.settings = settings;
    known = new Instructions(settings.similar());
    seeds.forEach(task -> known.add(task.instruction()));
    written.forEach(this::keep);
  }

  /**
   * One more.
   *
   * @param number from 0
   */
  public Round round(int number) {
    Random random = new Random(settings.seed() * 1_000_003 + number);
    DropCount dropped = new DropCount();
    List<Task> kept = new ArrayList<>();
    Written list =
        writer.write(
            Prompts.instructions(shown(random)),
            Prompts.STOP_INSTRUCTIONS,
            LONGEST_LIST,
            random.nextLong());
    if (list.cut()) {
      dropped.add(Drop.CUT);
    }
    for (String instruction : Prompts.instructions(list)) {
      Optional<Drop> objection = known.objection(instruction);
      if (objection.isPresent()) {
        dropped.add(objection.get());
      } else {
        finished(instruction, random, dropped)
            .ifPresent(
                task -> {
                  keep(task);
                  kept.add(task);
                });
      }
    }
    return new Round(kept, dropped);
  }

  private void keep(Task task) {
    written.add(task);
    known.add(task.instruction());
  }

  private Optional<Task> finished(String instruction, Random random, DropCount dropped) {
    List<Task> judged = drawn(Task::isClassification, settings.classifications(), random);
    judged.addAll(drawn(task -> !task.isClassification(), settings.others(), random));
    Collections.shuffle(judged, random);
    Optional<Boolean> verdict =
        Prompts.verdict(
            writer.write(
                Prompts.verdict(judged, instruction),
                Prompts.STOP_VERDICT,
                LONGEST_VERDICT,
                random.nextLong()));
    if (verdict.isEmpty()) {
      dropped.add(Drop.UNDECIDED);
      return Optional.empty();
    }
    boolean classification = verdict.get();
    Written examples =
        writer.write(
            Prompts.instances(
                drawn(
                    task -> task.isClassification() == classification, settings.examples(), random),
                instruction,
                classification),
            Prompts.STOP_INSTANCES,
            LONGEST_EXAMPLES,
            random.nextLong());
    if (examples.cut()) {
      dropped.add(Drop.CUT);
    }
    List<Instance> sound = Instance.sound(Prompts.instances(examples, classification), dropped);
    if (sound.isEmpty()) {
      dropped.add(Drop.NO_INSTANCE);
      return Optional.empty();
    }
    return Optional.of(new Task(instruction, sound, classification));
  }

  /** Some of the seed tasks and some of the written ones, mixed. */
  private List<Task> shown(Random random) {
    List<Task> fromWritten = drawn(written, settings.fromWritten(), random);
    int missing = settings.fromWritten() - fromWritten.size();
    List<Task> shown = drawn(seeds, settings.fromSeeds() + missing, random);
    shown.addAll(fromWritten);
    Collections.shuffle(shown, random);
    return shown;
  }

  private List<Task> drawn(Predicate<Task> which, int count, Random random) {
    return drawn(seeds.stream().filter(which).toList(), count, random);
  }

  private static List<Task> drawn(List<Task> from, int count, Random random) {
    List<Task> mixed = new ArrayList<>(from);
    Collections.shuffle(mixed, random);
    return new ArrayList<>(mixed.subList(0, Math.min(count, mixed.size())));
  }
}
