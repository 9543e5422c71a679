package dev.troupe.protocol.data;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Which parameters of a role are trained; a value head is trained whenever anything is. */
public sealed interface Tuning {
  /** In the place of names: every linear layer of the decoder. */
  String ALL_LINEAR = "all-linear";

  /** What a regular expression is marked by, in the place of names. */
  String REGEX = "regex:";

  /** Nothing: a reference or a finished reward model. */
  record Frozen() implements Tuning {}

  /**
   * A LoRA adapter (Hu et al. 2021): y = Wx + (alpha / rank) B A x.
   *
   * @param targets linear layers by their names or the ends of these; or one entry alone: {@value
   *     #ALL_LINEAR}, or {@value #REGEX} and a regular expression on whole names
   * @param rankStabilised whether the scale is alpha / sqrt(rank)
   * @param dropout share of an adapter's inputs that updates drop
   * @param dora whether each row's length is a parameter of its own
   * @param layers the only decoder layers adapted; empty for all
   * @param rankPattern ranks of layers whose names end as a regular expression says; the first in
   *     the order of the alphabet that matches
   * @param alphaPattern alphas likewise
   * @param start of A
   * @param bias which biases of the model are trained as well
   * @param modulesToSave modules of the model that are trained whole beside it, by the ends of
   *     their names
   * @param rateRatioOfB how many times A's learning rate B has
   * @param startIterations of subspaces by which the start pissa finds singular vectors; 0 for all
   *     of them exactly
   * @param biasOfB whether each B has a bias of its own
   * @param tokens whose rows of the embedding are trained as they are
   */
  record Lora(
      int rank,
      double alpha,
      List<String> targets,
      boolean rankStabilised,
      double dropout,
      boolean dora,
      List<Integer> layers,
      Map<String, Integer> rankPattern,
      Map<String, Double> alphaPattern,
      Start start,
      Bias bias,
      List<String> modulesToSave,
      double rateRatioOfB,
      int startIterations,
      boolean biasOfB,
      List<Integer> tokens)
      implements Tuning {
    /** How A and B start; B as zero where it does not say. */
    public enum Start {
      /** Uniform in ±1/sqrt(inputs). */
      KAIMING,
      /** Normal with deviation 1/rank. */
      GAUSSIAN,
      /** Both halves of one orthogonal matrix: B A is zero. */
      ORTHOGONAL,
      /** The weight's largest singular values, which are taken out of it (PiSSA). */
      PISSA,
      /** The first of the weight's Q and R, which are taken out of it (OLoRA). */
      OLORA
    }

    /** Which biases of the model are trained as well. */
    public enum Bias {
      NONE,
      /** Every one. */
      ALL,
      /** Those of the adapted linear layers. */
      LORA_ONLY
    }

    public Lora {
      if (rank < 1) {
        throw new IllegalArgumentException("LoRA rank is " + rank + ", must be at least 1");
      }
      targets = List.copyOf(targets);
      layers = List.copyOf(layers);
      rankPattern = Map.copyOf(rankPattern);
      alphaPattern = Map.copyOf(alphaPattern);
      modulesToSave = List.copyOf(modulesToSave);
      tokens = List.copyOf(tokens);
    }

    /** No biases of B, no rows of the embedding. */
    public Lora(
        int rank,
        double alpha,
        List<String> targets,
        boolean rankStabilised,
        double dropout,
        boolean dora,
        List<Integer> layers,
        Map<String, Integer> rankPattern,
        Map<String, Double> alphaPattern,
        Start start,
        Bias bias,
        List<String> modulesToSave,
        double rateRatioOfB) {
      this(
          rank,
          alpha,
          targets,
          rankStabilised,
          dropout,
          dora,
          layers,
          rankPattern,
          alphaPattern,
          start,
          bias,
          modulesToSave,
          rateRatioOfB,
          0,
          false,
          List.of());
    }

    /** No module whole. */
    public Lora(
        int rank,
        double alpha,
        List<String> targets,
        boolean rankStabilised,
        double dropout,
        boolean dora,
        List<Integer> layers,
        Map<String, Integer> rankPattern,
        Map<String, Double> alphaPattern,
        Start start,
        Bias bias) {
      this(
          rank,
          alpha,
          targets,
          rankStabilised,
          dropout,
          dora,
          layers,
          rankPattern,
          alphaPattern,
          start,
          bias,
          List.of(),
          1);
    }

    /** The plain one. */
    public Lora(int rank, double alpha, List<String> targets) {
      this(
          rank,
          alpha,
          targets,
          false,
          0,
          false,
          List.of(),
          Map.of(),
          Map.of(),
          Start.KAIMING,
          Bias.NONE);
    }
  }

  /**
   * A factor for each output or input of a linear layer (IA3; Liu et al. 2022).
   *
   * @param targets linear layers, as LoRA's; empty for keys, values and the layer that closes the
   *     MLP
   * @param feedforward those of them whose inputs are scaled, by the ends of their names; where
   *     targets is empty, that which closes the MLP
   */
  record Ia3(List<String> targets, List<String> feedforward) implements Tuning {
    public Ia3 {
      targets = List.copyOf(targets);
      feedforward = List.copyOf(feedforward);
    }
  }

  /**
   * Low-rank Hadamard products (LoHa; Hyeon-Woo et al. 2022): W + (alpha / rank) (A1 B1) ⊙ (A2 B2).
   *
   * @param targets linear layers, as LoRA's
   * @param layers the only decoder layers adapted; empty for all
   * @param rankPattern ranks of layers whose names end as a regular expression says
   * @param alphaPattern alphas likewise
   */
  record Loha(
      int rank,
      double alpha,
      List<String> targets,
      List<Integer> layers,
      Map<String, Integer> rankPattern,
      Map<String, Double> alphaPattern)
      implements Tuning {
    public Loha {
      targets = List.copyOf(targets);
      layers = List.copyOf(layers);
      rankPattern = Map.copyOf(rankPattern);
      alphaPattern = Map.copyOf(alphaPattern);
    }
  }

  /**
   * Kronecker products (LoKr; Yeh et al. 2024): W + (alpha / rank) (w1 ⊗ w2).
   *
   * @param targets linear layers, as LoRA's
   * @param layers the only decoder layers adapted; empty for all
   * @param factor of inputs and outputs, the sides of w1; -1 for the one nearest to their roots
   * @param decomposeBoth whether w1 too is of low rank
   * @param rankPattern ranks of layers whose names end as a regular expression says
   * @param alphaPattern alphas likewise
   */
  record Lokr(
      int rank,
      double alpha,
      List<String> targets,
      List<Integer> layers,
      int factor,
      boolean decomposeBoth,
      Map<String, Integer> rankPattern,
      Map<String, Double> alphaPattern)
      implements Tuning {
    public Lokr {
      targets = List.copyOf(targets);
      layers = List.copyOf(layers);
      rankPattern = Map.copyOf(rankPattern);
      alphaPattern = Map.copyOf(alphaPattern);
    }
  }

  /**
   * Turns of the inputs of linear layers, block by block (OFT; Qiu et al. 2023).
   *
   * @param blockSize inputs that turn together
   * @param targets linear layers, as LoRA's
   * @param layers the only decoder layers adapted; empty for all
   * @param terms of the series that a turn is made by; 0 for the turn itself
   */
  record Oft(int blockSize, List<String> targets, List<Integer> layers, int terms)
      implements Tuning {
    public Oft {
      targets = List.copyOf(targets);
      layers = List.copyOf(layers);
    }
  }

  /**
   * Vectors between random matrices that all layers share (VeRA; Kopiczko et al. 2024).
   *
   * @param start of each number of the inner vectors; the outer ones start as 0
   * @param key of the random numbers
   * @param targets linear layers, as LoRA's
   * @param layers the only decoder layers adapted; empty for all
   */
  record Vera(int rank, double start, long key, List<String> targets, List<Integer> layers)
      implements Tuning {
    public Vera {
      targets = List.copyOf(targets);
      layers = List.copyOf(layers);
    }
  }

  /**
   * Turns of the inputs of linear layers, block by block, and factors of their outputs (BOFT of one
   * factor; Liu et al. 2024).
   *
   * @param blockSize inputs that turn together
   * @param targets linear layers, as LoRA's
   * @param layers the only decoder layers adapted; empty for all
   */
  record Boft(int blockSize, List<String> targets, List<Integer> layers) implements Tuning {
    public Boft {
      targets = List.copyOf(targets);
      layers = List.copyOf(layers);
    }
  }

  /**
   * LoRA whose ranks are shared out among the layers in training (AdaLoRA; Zhang et al. 2023).
   *
   * @param firstRank of every layer at the start
   * @param targetRank of a layer at the end, on average
   * @param alpha numerator of the scale, divided by the first rank
   * @param targets linear layers, as LoRA's
   * @param layers the only decoder layers adapted; empty for all
   * @param firstSteps in which all ranks stay
   * @param lastSteps in which those that are left stay
   * @param everySteps they are shared out anew
   * @param importanceDecay of the moving mean of a number's importance
   * @param uncertaintyDecay of the moving mean of how that varies
   * @param orthogonality weight of how far the matrices are from orthogonal ones, in the loss
   */
  record Adalora(
      int firstRank,
      int targetRank,
      double alpha,
      List<String> targets,
      List<Integer> layers,
      int firstSteps,
      int lastSteps,
      int everySteps,
      double importanceDecay,
      double uncertaintyDecay,
      double orthogonality)
      implements Tuning {
    public Adalora {
      targets = List.copyOf(targets);
      layers = List.copyOf(layers);
    }
  }

  /**
   * Keys and values before those of a text, in every layer (prefix tuning; Li and Liang 2021).
   *
   * @param tokens how many
   * @param encoder width of the network whose output they are; 0 for none
   * @param zero whether they start as zero, where no network makes them
   */
  record Prefix(int tokens, int encoder, boolean zero) implements Tuning {}

  /**
   * Embeddings before those of a text (prompt tuning; Lester et al. 2021).
   *
   * @param tokens how many
   * @param start as what
   * @param text the text that they start as
   */
  record Prompt(int tokens, Beginning start, String text) implements Tuning {
    /** As what virtual tokens start. */
    public enum Beginning {
      /** Normal with deviation 1. */
      RANDOM,
      /** As tokens drawn from the vocabulary. */
      VOCABULARY,
      /** As a text, repeated and cut. */
      TEXT
    }
  }

  /**
   * Embeddings before those of a text, as the output of a network (P-tuning; Liu et al. 2021).
   *
   * @param tokens how many
   * @param encoder width of the network; 0 for the model's
   */
  record PTuning(int tokens, int encoder) implements Tuning {}

  /** Every bias of the model (BitFit; Ben Zaken et al. 2022). */
  record Bitfit() implements Tuning {}

  /**
   * Norms of the model (LN tuning; Zhao et al. 2023).
   *
   * @param targets as LoRA's; empty for every norm
   */
  record LnTuning(List<String> targets) implements Tuning {
    public LnTuning {
      targets = List.copyOf(targets);
    }
  }

  /**
   * Some of the model's own tensors.
   *
   * @param lastLayers decoder layers from the end
   * @param pattern a regular expression on whole names of further tensors
   */
  record Partial(int lastLayers, Optional<String> pattern) implements Tuning {}

  /** Every weight of the role's own copy of the model. */
  record Full() implements Tuning {}
}
