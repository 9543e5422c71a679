package dev.troupe.rlhf.reward;

import dev.troupe.protocol.data.Episode;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.rlhf.data.DataException;
import dev.troupe.rlhf.loss.LengthPenalty;
import dev.troupe.rlhf.port.Learner;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.port.ScorerException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;

/**
 * The rewards of a stage: what the configuration names, made into one scorer.
 *
 * @param section of the configuration that names them, such as {@code grpo.rewards}
 * @param configs by name
 * @param outside makes those that reach outside
 */
public record Rewards(String section, Map<String, RewardConfig> configs, Scorers outside) {
  public Rewards {
    configs = new TreeMap<>(configs);
  }

  /** Whether one of them is the run's reward model. */
  public boolean needsModel() {
    return RewardConfig.needModel(configs);
  }

  /** Names of those that compare with the data's answer. */
  public List<String> comparing() {
    return configs.entrySet().stream()
        .filter(entry -> entry.getValue().needsAnswer())
        .map(Map.Entry::getKey)
        .toList();
  }

  /**
   * Makes those that reach outside, and ends them again, so that what is wrong is said before
   * anything trains.
   *
   * @throws ScorerException with what is wrong
   */
  public void check() {
    for (Map.Entry<String, RewardConfig> entry : configs.entrySet()) {
      if (!(entry.getValue() instanceof RewardConfig.Model)) {
        make(entry.getKey(), entry.getValue(), Optional.empty()).close();
      }
    }
  }

  /**
   * The prompts that can be scored.
   *
   * @param prompts with their answers
   * @throws DataException when a reward compares with an answer that no prompt has
   */
  public List<Prompt> scorable(List<Prompt> prompts) {
    if (comparing().isEmpty()) {
      return prompts;
    }
    List<Prompt> answered = prompts.stream().filter(p -> p.answer().isPresent()).toList();
    if (answered.isEmpty()) {
      throw new DataException(
          section
              + "."
              + comparing().get(0)
              + " compares with the data's answer, and none of "
              + prompts.size()
              + " prompts of data.prompts has one: name the field that holds it in the source's"
              + " columns { answer = … } (without a name it is looked for in answer, ground_truth,"
              + " target and solution), or take a reward that needs none");
    }
    return answered;
  }

  /**
   * The sum of all.
   *
   * @param model the run's reward model, where {@link #needsModel}
   * @throws ScorerException when one cannot be had here, and why
   */
  public Scorer open(Optional<Learner> model) {
    List<SumScorer.Term> terms = new ArrayList<>();
    try {
      configs.forEach(
          (name, config) ->
              terms.add(new SumScorer.Term(name, make(name, config, model), config.weight())));
    } catch (RuntimeException e) {
      terms.forEach(term -> term.scorer().close());
      throw e;
    }
    return new SumScorer(section, terms);
  }

  private Scorer make(String name, RewardConfig config, Optional<Learner> model) {
    String key = section + "." + name;
    if (config instanceof RewardConfig.Model reward) {
      return new ModelScorer(key, model.orElseThrow(), reward.placement());
    }
    if (config instanceof RewardConfig.Math math) {
      return RuleScorer.comparing(
          key,
          switch (math.compare()) {
            case MEANING -> new MathAnswer();
            case TEXT -> new MathText();
          });
    }
    if (config instanceof RewardConfig.Number number) {
      return RuleScorer.comparing(key, new NumberAnswer(number.place()));
    }
    if (config instanceof RewardConfig.Exact exact) {
      return RuleScorer.comparing(key, new ExactAnswer(exact.letterCase()));
    }
    if (config instanceof RewardConfig.Pattern pattern) {
      Rule rule = new PatternRule(pattern.expression(), pattern.use());
      return pattern.needsAnswer() ? RuleScorer.comparing(key, rule) : RuleScorer.ofText(key, rule);
    }
    if (config instanceof RewardConfig.Quantity quantity) {
      return RuleScorer.comparing(key, new QuantityAnswer(quantity.tolerance()));
    }
    if (config instanceof RewardConfig.Overlong overlong) {
      return RuleScorer.of(
          key,
          rollout ->
              Score.of(
                  LengthPenalty.overlong(
                      rollout.length(), overlong.limit(), overlong.buffer(), 1)));
    }
    if (config instanceof RewardConfig.Environment) {
      return RuleScorer.of(key, Rewards::ofEpisode);
    }
    return ofText(config)
        .map(rule -> RuleScorer.ofText(key, rule))
        .orElseGet(() -> outside.make(key, config));
  }

  /** None given is no reward of 0. */
  private static Score ofEpisode(Rollout rollout) {
    OptionalDouble reward = rollout.episode().map(Episode::reward).orElse(OptionalDouble.empty());
    return reward.isPresent()
        ? Score.of(reward.getAsDouble())
        : new Score.Unscored(
            "the environment gave no reward",
            rollout
                .episode()
                .map(
                    episode ->
                        "an episode of "
                            + episode.turns()
                            + " turns that ended by "
                            + episode.end())
                .orElse("an answer outside of an environment"));
  }

  /** Those that look at the answer's text alone. */
  private static Optional<Rule> ofText(RewardConfig config) {
    if (config instanceof RewardConfig.Format format) {
      return Optional.of(new FormatRule(format.tags(), format.rest()));
    }
    if (config instanceof RewardConfig.Length length) {
      return Optional.of(new LengthRule(length.fewest(), length.most()));
    }
    if (config instanceof RewardConfig.Repetition repetition) {
      return Optional.of(new RepetitionRule(repetition.words(), -1));
    }
    if (config instanceof RewardConfig.Script script) {
      return Optional.of(new ScriptRule(script.scripts()));
    }
    return Optional.empty();
  }
}
