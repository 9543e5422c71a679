package dev.troupe.engine;

import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.SafetensorsFile;
import dev.troupe.models.checkpoint.SafetensorsWriter;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.peft.AdaLora;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Which of AdaLoRA's triplets stay (Zhang et al., arXiv:2303.10512): after each step moving means
 * of what each number matters, and from time to time fewer triplets, as PEFT's {@code
 * update_and_allocate(step)} behind the optimiser's step, the first step being 0.
 */
final class RankAllocation implements AutoCloseable {
  private static final String FILE = "rank_allocation.safetensors";
  private static final String IMPORTANCE = "importance";
  private static final String UNCERTAINTY = "uncertainty";

  private final KernelModule kernels;
  private final Lanes lanes;
  private final Handle parameters;
  private final AdaLora.Budget budget;
  private final int layers;
  private final int firstRank;
  private final Handle importance;
  private final Handle uncertainty;

  /** Of the triplets that are left, once none is chosen any more. */
  private @Nullable Handle left;

  RankAllocation(KernelModule kernels, Lanes lanes, Handle parameters, AdaLora method, int layers) {
    this.kernels = kernels;
    this.lanes = lanes;
    this.parameters = parameters;
    this.layers = layers;
    budget = method.budget();
    firstRank = method.firstRank();
    importance = lanes.run(() -> kernels.train("zeros", parameters));
    uncertainty = lanes.run(() -> kernels.train("zeros", parameters));
  }

  /** Adds to a gradient, before the step, what draws A and B towards orthogonal ones. */
  void regularise(Handle gradient) {
    lanes.run(
        () -> {
          try (Handle weight = Handle.of(budget.orthogonality())) {
            kernels.train("orthogonal", parameters, gradient, weight).close();
          }
          return 0;
        });
  }

  /**
   * Shares out ranks behind a step.
   *
   * @param step that was taken, the first being 0
   * @param gradient that it went along, clipped
   */
  void update(long step, Handle gradient) {
    long last = budget.totalSteps() - (long) budget.lastSteps();
    lanes.run(
        () -> {
          if (step < last) {
            try (Handle beta1 = Handle.of(budget.beta1());
                Handle beta2 = Handle.of(budget.beta2())) {
              kernels
                  .train("weigh", parameters, gradient, importance, uncertainty, beta1, beta2)
                  .close();
            }
          }
          // Where the step that chooses last was left out, or a checkpoint is gone on from: the
          // means
          // are those of before it, so that it is the same choice.
          boolean late = step > last && left == null;
          if (budget.chooses(step) || late) {
            try (Handle triplets = Handle.of((long) budget.of(step, layers, firstRank))) {
              kernels.train("share_out", parameters, importance, uncertainty, triplets).close();
            }
          }
          if (step > last) {
            kernels.train("keep", parameters, left()).close();
          } else if (step == last) {
            forget();
            left();
          }
          return 0;
        });
  }

  private Handle left() {
    Handle mask = left;
    if (mask == null) {
      mask = kernels.train("left", parameters);
      left = mask;
    }
    return mask;
  }

  private void forget() {
    if (left != null) {
      left.close();
      left = null;
    }
  }

  /** Native bytes. */
  long bytes() {
    return (left == null ? 2L : 3L) * Float.BYTES * importance.shape()[0];
  }

  /**
   * Everything that a checkpoint keeps; the triplets that are left can be seen from the parameters.
   */
  record Saved(float[] importance, float[] uncertainty) {
    /**
     * Of a checkpoint.
     *
     * @param size of the parameters
     * @throws CheckpointException when it has none, or of others
     */
    static Saved read(Path directory, int size) {
      try (SafetensorsFile file = SafetensorsFile.open(directory.resolve(FILE))) {
        Saved saved = new Saved(file.floats(IMPORTANCE), file.floats(UNCERTAINTY));
        if (saved.importance.length != size || saved.uncertainty.length != size) {
          throw new CheckpointException(
              file.path()
                  + " tells how "
                  + saved.importance.length
                  + " parameters matter, expected "
                  + size
                  + ": it was made with another configuration.");
        }
        return saved;
      }
    }
  }

  /** Writes it beside the rest of a checkpoint. */
  void save(Path directory) {
    SafetensorsWriter.write(
        directory.resolve(FILE),
        Map.of(
            IMPORTANCE,
            TensorData.of(importance.floats(), importance.shape()[0]),
            UNCERTAINTY,
            TensorData.of(uncertainty.floats(), uncertainty.shape()[0])),
        DType.F32);
  }

  /** To be called when the parameters are those of the checkpoint. */
  void restore(Saved saved) {
    importance.write(saved.importance());
    uncertainty.write(saved.uncertainty());
    forget();
  }

  @Override
  public void close() {
    importance.close();
    uncertainty.close();
    forget();
  }
}
