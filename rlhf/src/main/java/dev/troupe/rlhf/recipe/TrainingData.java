package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.data.HeldOut;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

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

  /**
   * Draws {@code heldOut} of the items at random to hold out.
   *
   * @param what the items are, in an error's text
   */
  public static <T> TrainingData<T> split(
      String what, List<T> items, int heldOut, long seed, Map<String, Long> dropped) {
    HeldOut<T> parts = HeldOut.of(what, items, heldOut, seed);
    return new TrainingData<>(parts.training(), parts.heldOut(), dropped);
  }

  /** The same data in another shape. */
  public <R> TrainingData<R> map(Function<? super T, ? extends R> shape) {
    return new TrainingData<>(
        train.stream().<R>map(shape).toList(), heldOut.stream().<R>map(shape).toList(), dropped);
  }
}
