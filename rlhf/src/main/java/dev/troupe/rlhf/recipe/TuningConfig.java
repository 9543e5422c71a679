package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Tuning;
import dev.troupe.rlhf.limits.Limits;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** What a stage trains: an adapter, some of the weights, or every one. */
public sealed interface TuningConfig {
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
   * @param modulesToSave modules of the model that are trained whole beside it, by the ends of their
   *     names, as PEFT's modules_to_save
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
      List<String> modulesToSave)
      implements TuningConfig {
    public Lora {
      targets = List.copyOf(targets);
      layers = List.copyOf(layers);
      rankPattern = Map.copyOf(rankPattern);
      alphaPattern = Map.copyOf(alphaPattern);
      modulesToSave = List.copyOf(modulesToSave);
      boolean alone = targets.stream().anyMatch(TuningConfig::standsAlone);
      new Limits()
          .atLeast("rank", rank, 1)
          .above("alpha", alpha, 0)
          .condition(
              "targets",
              targets,
              !targets.isEmpty() && goTogether(targets),
              "names of linear layers, or all-linear or a regex: alone")
          .condition("dropout", dropout, dropout >= 0 && dropout < 1, "at least 0 and below 1")
          .condition(
              "layers",
              layers,
              layers.stream().allMatch(layer -> layer >= 0) && !(alone && !layers.isEmpty()),
              "numbers of decoder layers from 0, and only where targets are names",
              "targets")
          .condition(
              "rank-pattern",
              rankPattern,
              rankPattern.values().stream().allMatch(value -> value >= 1),
              "ranks of at least 1")
          .condition(
              "alpha-pattern",
              alphaPattern,
              alphaPattern.values().stream().allMatch(value -> value > 0),
              "alphas above 0")
          .condition(
              "modules-to-save",
              modulesToSave,
              modulesToSave.stream().noneMatch(String::isBlank),
              "names of modules")
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
          List.of());
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
          modulesToSave);
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
   * @param targets norms by their names or the ends of these, or a regex: alone; empty for every one
   */
  record LnTuning(List<String> targets) implements TuningConfig {
    public LnTuning {
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
