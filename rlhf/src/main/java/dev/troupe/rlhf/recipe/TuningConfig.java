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
   * @param start of A and B
   * @param bias which biases of the model are trained as well
   * @param modulesToSave modules of the model that are trained whole beside it, by the ends of
   *     their names, as PEFT's modules_to_save
   * @param rateRatioOfB how many times A's learning rate B has (LoRA+; Hayou et al. 2024)
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
      Tuning.Lora.Start start,
      Tuning.Lora.Bias bias,
      List<String> modulesToSave,
      double rateRatioOfB,
      int startIterations,
      boolean biasOfB,
      List<Integer> tokens)
      implements TuningConfig {
    public Lora {
      targets = List.copyOf(targets);
      layers = List.copyOf(layers);
      rankPattern = Map.copyOf(rankPattern);
      alphaPattern = Map.copyOf(alphaPattern);
      modulesToSave = List.copyOf(modulesToSave);
      tokens = List.copyOf(tokens);
      limits(rank, alpha, targets, layers, rankPattern, alphaPattern)
          .condition("dropout", dropout, dropout >= 0 && dropout < 1, "at least 0 and below 1")
          .condition(
              "modules-to-save",
              modulesToSave,
              modulesToSave.stream().noneMatch(String::isBlank),
              "names of modules")
          .above("rate-ratio-of-b", rateRatioOfB, 0)
          .condition(
              "start-iterations",
              startIterations,
              startIterations >= 0 && (startIterations == 0 || start == Tuning.Lora.Start.PISSA),
              "at least 0, and 0 where start is not pissa",
              "start")
          .condition(
              "dropout",
              dropout,
              dropout == 0
                  || (start != Tuning.Lora.Start.PISSA && start != Tuning.Lora.Start.OLORA),
              "0 where start is pissa or olora",
              "start")
          .condition("bias-of-b", biasOfB, !biasOfB || !dora, "false where dora is true", "dora")
          .condition(
              "tokens",
              tokens,
              tokens.stream().allMatch(token -> token >= 0)
                  && tokens.stream().distinct().count() == tokens.size(),
              "numbers of tokens from 0, none twice")
          .verify();
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
        Tuning.Lora.Start start,
        Tuning.Lora.Bias bias,
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
          rateRatioOfB,
          startIterations,
          biasOfB,
          tokens);
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

  /**
   * Vectors between random matrices that all layers share (VeRA; Kopiczko et al. 2024).
   *
   * @param rank of the random matrices, at least 1
   * @param start of each number of the inner vectors; the outer ones start as 0
   * @param key of the random numbers, as PEFT's projection_prng_key
   * @param targets linear layers, as LoRA's
   * @param layers the only decoder layers adapted, from 0; empty for all
   */
  record Vera(int rank, double start, long key, List<String> targets, List<Integer> layers)
      implements TuningConfig {
    public Vera {
      targets = List.copyOf(targets);
      layers = List.copyOf(layers);
      places(new Limits().atLeast("rank", rank, 1), targets, layers)
          .condition("start", start, Double.isFinite(start), "a finite number")
          .verify();
    }

    @Override
    public Tuning tuning() {
      return new Tuning.Vera(rank, start, key, targets, layers);
    }
  }

  /**
   * Turns of the inputs of linear layers, block by block, and factors of their outputs (BOFT of one
   * factor; Liu et al. 2024).
   *
   * @param blockSize inputs that turn together, at least 2; must divide the inputs of every layer
   * @param targets linear layers, as LoRA's
   * @param layers the only decoder layers adapted, from 0; empty for all
   */
  record Boft(int blockSize, List<String> targets, List<Integer> layers) implements TuningConfig {
    public Boft {
      targets = List.copyOf(targets);
      layers = List.copyOf(layers);
      places(new Limits().atLeast("block-size", blockSize, 2), targets, layers).verify();
    }

    @Override
    public Tuning tuning() {
      return new Tuning.Boft(blockSize, targets, layers);
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
      implements TuningConfig {
    public Adalora {
      targets = List.copyOf(targets);
      layers = List.copyOf(layers);
      places(
              new Limits()
                  .atLeast("first-rank", firstRank, 1)
                  .atLeast("target-rank", targetRank, 1)
                  .condition(
                      "target-rank",
                      targetRank,
                      targetRank <= firstRank,
                      "at most first-rank",
                      "first-rank")
                  .above("alpha", alpha, 0),
              targets,
              layers)
          .atLeast("first-steps", firstSteps, 0)
          .atLeast("last-steps", lastSteps, 0)
          .atLeast("every-steps", everySteps, 1)
          .condition(
              "importance-decay",
              importanceDecay,
              importanceDecay > 0 && importanceDecay < 1,
              "above 0 and below 1")
          .condition(
              "uncertainty-decay",
              uncertaintyDecay,
              uncertaintyDecay > 0 && uncertaintyDecay < 1,
              "above 0 and below 1")
          .condition(
              "orthogonality",
              orthogonality,
              orthogonality >= 0 && Double.isFinite(orthogonality),
              "at least 0")
          .verify();
    }

    @Override
    public Tuning tuning() {
      return new Tuning.Adalora(
          firstRank,
          targetRank,
          alpha,
          targets,
          layers,
          firstSteps,
          lastSteps,
          everySteps,
          importanceDecay,
          uncertaintyDecay,
          orthogonality);
    }
  }

  /**
   * Keys and values before those of a text, in every layer (prefix tuning; Li and Liang 2021).
   *
   * @param tokens how many, at least 1
   * @param encoder width of the network whose output they are; 0 for none
   * @param zero whether they start as zero, where no network makes them
   */
  record Prefix(int tokens, int encoder, boolean zero) implements TuningConfig {
    public Prefix {
      new Limits()
          .atLeast("tokens", tokens, 1)
          .atLeast("encoder", encoder, 0)
          .condition("zero", zero, !zero || encoder == 0, "false where encoder is not 0", "encoder")
          .verify();
    }

    @Override
    public Tuning tuning() {
      return new Tuning.Prefix(tokens, encoder, zero);
    }
  }

  /**
   * Embeddings before those of a text (prompt tuning; Lester et al. 2021).
   *
   * @param tokens how many, at least 1
   * @param start as what: normal numbers, tokens drawn from the vocabulary, or a text
   * @param text the text that they start as, repeated and cut to as many tokens
   */
  record Prompt(int tokens, Tuning.Prompt.Beginning start, Optional<String> text)
      implements TuningConfig {
    public Prompt {
      new Limits()
          .atLeast("tokens", tokens, 1)
          .condition(
              "text",
              text.orElse("null"),
              text.filter(found -> !found.isBlank()).isPresent()
                  == (start == Tuning.Prompt.Beginning.TEXT),
              "a text where start is text, else null",
              "start")
          .verify();
    }

    @Override
    public Tuning tuning() {
      return new Tuning.Prompt(tokens, start, text.orElse(""));
    }
  }

  /**
   * Embeddings before those of a text, as the output of a network (P-tuning; Liu et al. 2021).
   *
   * @param tokens how many, at least 1
   * @param encoder width of the network; 0 for the model's
   */
  record PromptEncoder(int tokens, int encoder) implements TuningConfig {
    public PromptEncoder {
      new Limits().atLeast("tokens", tokens, 1).atLeast("encoder", encoder, 0).verify();
    }

    @Override
    public Tuning tuning() {
      return new Tuning.PTuning(tokens, encoder);
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
