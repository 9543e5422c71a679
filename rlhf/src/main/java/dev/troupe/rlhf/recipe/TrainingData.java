package dev.troupe.rlhf.recipe;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Data of one stage, ready to train on.
 *
 * @param train in order; recipes shuffle
 * @param heldOut for measuring, never trained on
 * @param dropped what was read and left out, by reason
 */
public record TrainingData<T>(List<T> train, List<T> heldOut, Map<String, Long> dropped) {
  public TrainingData {
    train = List.copyOf(train);
    heldOut = List.copyOf(heldOut);
    dropped = Map.copyOf(dropped);
  }

  /** Draws {@code heldOut} of the items at random to hold out. */
  public static <T> TrainingData<T> split(
      List<T> items, int heldOut, long seed, Map<String, Long> dropped) {
    if (items.size() <= heldOut) {
      throw new IllegalArgumentException(
          "held-out is "
              + heldOut
              + " and the stage has "
              + items.size()
              + " items; none would be left to train on. Lower held-out or add data");
    }
    List<T> shuffled = new ArrayList<>(items);
    Collections.shuffle(shuffled, new Random(seed));
    return new TrainingData<>(
        shuffled.subList(heldOut, shuffled.size()), shuffled.subList(0, heldOut), dropped);
  }
}
