package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Tuning;
import dev.troupe.rlhf.limits.Limits;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** What a stage trains: an adapter, some of the weights, or every one. */
public sealed interface TuningConfig {
  /** What {@code targets} may be. */
  String LAYERS = "names of linear layers, or all-linear or a regex: alone";

  /** As the roles want it. */
  Tuning tuning();

  /** Its name in a configuration. */
  default String type() {
    return getClass().getSimpleName().replaceAll("(?<=.)(?=[A-Z])", "-").toLowerCase(Locale.ROOT);
  }

  /**
   * A LoRA adapter.
   *
   * @param rank of each pair of matrices, at least 1
   * @param alpha scale: y = Wx + (alpha / rank) B A x
   * @param targets linear layers by their names or the ends of these, as PEFT's target_modules; or
   *     one entry alone: all-linear, or regex: and a regular expression on whole names. A name that
   *     the model has not is refused when it is loaded
   * @param rankStabilised whether the scale is alpha / sqrt(rank) (Kalajdzievski 2023)
   * @param dropout share of an adapter's inputs that updates drop, at least 0 and below 1
   * @param dora whether each row's length is a parameter of its own (Liu et al. 2024)
   * @param layers the only decoder layers adapted, from 0; empty for all
   * @param rankPattern ranks of layers whose names end as a regular expression says
   * @param alphaPattern alphas likewise
   * @param start of A: uniform in ±1/sqrt(inputs) or normal with deviation 1/rank
   * @param bias which biases of the model are trained as well
   * @param modulesToSave modules of the model that are trained whole beside it, by the ends of
   *     their names, as PEFT's modules_to_save
   * @param rateRatioOfB how many times A's learning rate B has (LoRA+; Hayou et al. 2024)
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
      Tuning.Lora.Start start,
      Tuning.Lora.Bias bias,
      List<String> modulesToSave,
      double rateRatioOfB)
      implements TuningConfig {
    public Lora {
      targets = List.copyOf(targets);
      layers = List.copyOf(layers);
      rankPattern = Map.copyOf(rankPattern);
      alphaPattern = Map.copyOf(alphaPattern);
      modulesToSave = List.copyOf(modulesToSave);
      limits(rank, alpha, targets, layers, rankPattern, alphaPattern)
          .condition("dropout", dropout, dropout >= 0 && dropout < 1, "at least 0 and below 1")
          .condition(
              "modules-to-save",
              modulesToSave,
              modulesToSave.stream().noneMatch(String::isBlank),
              "names of modules")
          .above("rate-ratio-of-b", rateRatioOfB, 0)
          .verify();
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
        Tuning.Lora.Start start,
        Tuning.Lora.Bias bias) {
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
          Tuning.Lora.Start.KAIMING,
          Tuning.Lora.Bias.NONE);
    }

    @Override
    public Tuning tuning() {
      return new Tuning.Lora(
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
          rateRatioOfB);
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
  record Ia3(List<String> targets, List<String> feedforward) implements TuningConfig {
    public Ia3 {
      targets = List.copyOf(targets);
      feedforward = List.copyOf(feedforward);
      new Limits()
          .condition("targets", targets, goTogether(targets), LAYERS)
          .condition(
              "feedforward",
              feedforward,
              goTogether(feedforward) && (feedforward.isEmpty() || !targets.isEmpty()),
              "some of targets, which must be given then",
              "targets")
          .verify();
    }

    @Override
    public Tuning tuning() {
      return new Tuning.Ia3(targets, feedforward);
    }
  }

  /**
   * Low-rank Hadamard products (LoHa; Hyeon-Woo et al. 2022): W + (alpha / rank) (A1 B1) ⊙ (A2 B2).
   *
   * @param rank of each of two pairs of matrices, at least 1
   * @param alpha numerator of the scale
   * @param targets linear layers, as LoRA's
   * @param layers the only decoder layers adapted, from 0; empty for all
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
      implements TuningConfig {
    public Loha {
      targets = List.copyOf(targets);
      layers = List.copyOf(layers);
      rankPattern = Map.copyOf(rankPattern);
      alphaPattern = Map.copyOf(alphaPattern);
      limits(rank, alpha, targets, layers, rankPattern, alphaPattern).verify();
    }

    @Override
    public Tuning tuning() {
      return new Tuning.Loha(rank, alpha, targets, layers, rankPattern, alphaPattern);
    }
  }

  /**
   * Kronecker products (LoKr; Yeh et al. 2024): W + (alpha / rank) (w1 ⊗ w2).
   *
   * @param rank of w2, at least 1; where it is half its longer side or more, w2 is one matrix
   * @param alpha numerator of the scale
   * @param targets linear layers, as LoRA's
   * @param layers the only decoder layers adapted, from 0; empty for all
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
      implements TuningConfig {
    public Lokr {
      targets = List.copyOf(targets);
      layers = List.copyOf(layers);
      rankPattern = Map.copyOf(rankPattern);
      alphaPattern = Map.copyOf(alphaPattern);
      limits(rank, alpha, targets, layers, rankPattern, alphaPattern)
          .condition("factor", factor, factor == -1 || factor >= 1, "-1, or at least 1")
          .verify();
    }

    @Override
    public Tuning tuning() {
      return new Tuning.Lokr(
          rank, alpha, targets, layers, factor, decomposeBoth, rankPattern, alphaPattern);
    }
  }

  /**
   * Turns of the inputs of linear layers, block by block (OFT; Qiu et al. 2023).
   *
   * @param blockSize inputs that turn together, at least 2
   * @param targets linear layers, as LoRA's
   * @param layers the only decoder layers adapted, from 0; empty for all
   * @param terms of the series that a turn is made by, at least 2; 0 for the turn itself
   */
  record Oft(int blockSize, List<String> targets, List<Integer> layers, int terms)
      implements TuningConfig {
    public Oft {
      targets = List.copyOf(targets);
      layers = List.copyOf(layers);
      places(new Limits().atLeast("block-size", blockSize, 2), targets, layers)
          .condition("terms", terms, terms == 0 || terms >= 2, "0, or at least 2")
          .verify();
    }

    @Override
    public Tuning tuning() {
      return new Tuning.Oft(blockSize, targets, layers, terms);
    }
  }

  /** Every bias of the model and nothing else (BitFit; Ben Zaken et al. 2022). */
  record Bitfit() implements TuningConfig {
    @Override
    public Tuning tuning() {
      return new Tuning.Bitfit();
    }
  }

  /**
   * Norms of the model and nothing else (LN tuning; Zhao et al. 2023).
   *
   * @param targets norms by their names or the ends of these, or a regex: alone; empty for every
   *     one
   */
  record Norms(List<String> targets) implements TuningConfig {
    public Norms {
      targets = List.copyOf(targets);
      new Limits()
          .condition(
              "targets",
              targets,
              goTogether(targets) && !targets.contains(Tuning.ALL_LINEAR),
              "names of norms, or a regex: alone")
          .verify();
    }

    @Override
    public Tuning tuning() {
      return new Tuning.LnTuning(targets);
    }
  }

  /**
   * Some of the model's own tensors.
   *
   * @param lastLayers decoder layers from the end, whole
   * @param pattern a regular expression on whole names of further tensors
   */
  record Partial(int lastLayers, Optional<String> pattern) implements TuningConfig {
    public Partial {
      new Limits()
          .atLeast("last-layers", lastLayers, 0)
          .condition(
              "last-layers",
              lastLayers,
              lastLayers != 0 || pattern.isPresent(),
              "at least 1 where no pattern says what is trained",
              "pattern")
          .verify();
    }

    @Override
    public Tuning tuning() {
      return new Tuning.Partial(lastLayers, pattern);
    }
  }

  /** Of methods that have a rank and a scale. */
  private static Limits limits(
      int rank,
      double alpha,
      List<String> targets,
      List<Integer> layers,
      Map<String, Integer> rankPattern,
      Map<String, Double> alphaPattern) {
    return places(new Limits().atLeast("rank", rank, 1).above("alpha", alpha, 0), targets, layers)
        .condition(
            "rank-pattern",
            rankPattern,
            rankPattern.values().stream().allMatch(value -> value >= 1),
            "ranks of at least 1")
        .condition(
            "alpha-pattern",
            alphaPattern,
            alphaPattern.values().stream().allMatch(value -> value > 0),
            "alphas above 0");
  }

  /** Of which linear layers. */
  private static Limits places(Limits limits, List<String> targets, List<Integer> layers) {
    boolean alone = targets.stream().anyMatch(TuningConfig::standsAlone);
    return limits
        .condition("targets", targets, !targets.isEmpty() && goTogether(targets), LAYERS)
        .condition(
            "layers",
            layers,
            layers.stream().allMatch(layer -> layer >= 0) && !(alone && !layers.isEmpty()),
            "numbers of decoder layers from 0, and only where targets are names",
            "targets");
  }

  private static boolean standsAlone(String target) {
    return target.equals(Tuning.ALL_LINEAR) || target.startsWith(Tuning.REGEX);
  }

  /** Whether names may stand in one list. */
  private static boolean goTogether(List<String> targets) {
    return targets.stream().noneMatch(String::isBlank)
        && (targets.size() < 2 || targets.stream().noneMatch(TuningConfig::standsAlone));
  }

  /** Every weight of the role's own copy of the model. */
  record Full() implements TuningConfig {
    @Override
    public Tuning tuning() {
      return new Tuning.Full();
    }
  }
}
