package dev.troupe.launcher.bench;

import dev.troupe.models.torch.Lanes;
import java.nio.file.Path;
import java.util.List;

/**
 * The speeds demanded of the design, each a figure that is a ratio within this process, with its
 * bound.
 */
public final class DemandsBench {
  private DemandsBench() {}

  /** What can be measured by itself. */
  public enum Part {
    /** What steps of training take and keep; first, see {@link MemoryDemands}. */
    MEMORY {
      @Override
      public List<Measurement> measure(Path model, Lanes lanes, int rounds) {
        return new MemoryDemands(model, lanes, rounds).measure();
      }
    },
    /** How long steps take. */
    TRAINING {
      @Override
      public List<Measurement> measure(Path model, Lanes lanes, int rounds) {
        return new TrainingDemands(model, lanes, rounds).measure();
      }
    },
    /** Two models at once. */
    THREADS {
      @Override
      public List<Measurement> measure(Path model, Lanes lanes, int rounds) {
        return new TwoModels(model, rounds).measure();
      }
    },
    /** Tokens, their choice, the flip. */
    GENERATION {
      @Override
      public List<Measurement> measure(Path model, Lanes lanes, int rounds) {
        return new GenerationDemands(model, lanes, rounds).measure();
      }
    };

    /**
     * Measures.
     *
     * @param model a Llama
     * @param rounds of each figure, after one to warm up
     */
    public abstract List<Measurement> measure(Path model, Lanes lanes, int rounds);
  }
}
