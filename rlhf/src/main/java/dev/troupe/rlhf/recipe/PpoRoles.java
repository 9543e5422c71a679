package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.rlhf.port.Role;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletionStage;
import java.util.stream.Stream;

/**
 * The roles of PPO.
 *
 * @param reward the reward model, where answers are scored by it
 */
record PpoRoles(Role policy, Role critic, Optional<Role> reward, Role reference) {
  static final String POLICY = "policy";
  static final String CRITIC = "critic";

  List<Role> all() {
    return Stream.of(Optional.of(policy), Optional.of(critic), reward, Optional.of(reference))
        .flatMap(Optional::stream)
        .toList();
  }

  /** Opens them side by side. */
  static PpoRoles open(StageContext context, PpoConfig config, PpoStart start) {
    long seed = context.seed();
    int perMinibatch = config.policy().ptxCoefficient() > 0 ? 2 : 1;
    int policySteps =
        perMinibatch
            * (config.totalUpdates()
                - config.critic().warmupIterations() * config.ppoEpochs() * config.minibatches());
    ModelStart criticStart =
        switch (config.critic().start()) {
          case REWARD_MODEL -> start.reward();
          case BASE -> new ModelStart(start.policy().model(), Optional.empty());
        };
    // Log-probabilities are compared with those of sampling, so they are taken at its temperature.
    double temperature = config.generation().temperature();
    Tuning frozen = new Tuning.Frozen();
    CompletionStage<Role> policy =
        context.open(
            spec(
                POLICY,
                start.policy(),
                config.policy().tuning().tuning(),
                Head.LANGUAGE_MODEL,
                Optional.of(config.policy().optimizer().settings(Math.max(1, policySteps))),
                temperature,
                config.policy().emaDecay(),
                Seeds.derive(seed, Seeds.Purpose.POLICY, 0)));
    CompletionStage<Role> critic =
        context.open(
            spec(
                CRITIC,
                criticStart,
                config.critic().tuning().tuning(),
                Head.VALUE,
                Optional.of(config.critic().optimizer().settings(config.totalUpdates())),
                temperature,
                Optional.empty(),
                Seeds.derive(seed, Seeds.Purpose.CRITIC, 0)));
    Optional<CompletionStage<Role>> reward =
        config.scoresByModel()
            ? Optional.of(
                context.open(
                    spec(
                        "reward",
                        start.reward(),
                        frozen,
                        Head.VALUE,
                        Optional.empty(),
                        temperature,
                        Optional.empty(),
                        Seeds.derive(seed, Seeds.Purpose.REWARD, 0))))
            : Optional.empty();
    CompletionStage<Role> reference =
        context.open(
            spec(
                "reference",
                start.policy(),
                frozen,
                Head.LANGUAGE_MODEL,
                Optional.empty(),
                temperature,
                Optional.empty(),
                Seeds.derive(seed, Seeds.Purpose.REFERENCE, 0)));
    return new PpoRoles(
        Await.on(policy), Await.on(critic), reward.map(Await::on), Await.on(reference));
  }

  private static RoleSpec spec(
      String name,
      ModelStart from,
      Tuning tuning,
      Head head,
      Optional<OptimizerSettings> optimizer,
      double temperature,
      Optional<Double> emaDecay,
      long seed) {
    return new RoleSpec(
        name, from.model(), from.adapter(), tuning, head, optimizer, temperature, emaDecay, seed);
  }
}
