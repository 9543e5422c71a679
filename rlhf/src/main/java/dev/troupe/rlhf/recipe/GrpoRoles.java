package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.rlhf.port.Role;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.stream.Stream;

/**
 * The policy, and those that GRPO does without where it can.
 *
 * @param reference what the policy started from; there where a KL penalty or pairs need it
 * @param teacher a larger model, for distillation
 * @param reward the reward model, where one of the rewards is
 */
record GrpoRoles(
    Role policy, Optional<Role> reference, Optional<Role> teacher, Optional<Role> reward) {
  static final String POLICY = "policy";
  static final String REFERENCE = "reference";
  static final String TEACHER = "teacher";
  static final String REWARD = "reward";

  List<Role> all() {
    return Stream.of(Optional.of(policy), reference, teacher, reward)
        .flatMap(Optional::stream)
        .toList();
  }

  /** Opens them side by side. */
  static GrpoRoles open(
      StageContext context, GrpoConfig config, ModelStart start, Optional<ModelStart> rewardModel) {
    long seed = context.seed();
    // Log-probabilities are compared with those of sampling, so they are taken at its temperature.
    double temperature = config.generation().temperature();
    CompletionStage<Role> policy =
        context.open(
            new RoleSpec(
                POLICY,
                start.model(),
                start.adapter(),
                config.policy().tuning().tuning(),
                Head.LANGUAGE_MODEL,
                Optional.of(config.policy().optimizer().settings(config.totalUpdates())),
                temperature,
                config.policy().emaDecay(),
                Seeds.derive(seed, Seeds.Purpose.POLICY, 0)));
    Optional<CompletionStage<Role>> reference =
        config.needsReference()
            ? Optional.of(
                context.open(
                    frozen(
                        REFERENCE,
                        start,
                        Head.LANGUAGE_MODEL,
                        temperature,
                        Seeds.derive(seed, Seeds.Purpose.REFERENCE, 0))))
            : Optional.empty();
    Optional<CompletionStage<Role>> teacher =
        config
            .teacher()
            .start()
            .map(
                from ->
                    context.open(
                        frozen(
                            TEACHER,
                            from,
                            Head.LANGUAGE_MODEL,
                            temperature,
                            Seeds.derive(seed, Seeds.Purpose.TEACHER, 0))));
    Optional<CompletionStage<Role>> reward =
        rewardModel.map(
            from ->
                context.open(
                    frozen(
                        REWARD,
                        from,
                        Head.VALUE,
                        temperature,
                        Seeds.derive(seed, Seeds.Purpose.REWARD, 0))));
    return new GrpoRoles(
        Await.on(policy), reference.map(Await::on), teacher.map(Await::on), reward.map(Await::on));
  }

  private static RoleSpec frozen(
      String name, ModelStart from, Head head, double temperature, long seed) {
    Optional<OptimizerSettings> none = Optional.empty();
    return new RoleSpec(
        name,
        from.model(),
        from.adapter(),
        new Tuning.Frozen(),
        head,
        none,
        temperature,
        Optional.empty(),
        seed);
  }

  /**
   * The same groups with what all roles say of their tokens.
   *
   * @param ownLogprobs whether the policy is asked too, since it samples in other numbers
   */
  List<List<GroupAnswer>> seen(List<List<GroupAnswer>> groups, boolean ownLogprobs) {
    List<Sequence> sequences =
        groups.stream().flatMap(List::stream).map(a -> a.rollout().sequence()).toList();
    if (sequences.isEmpty()) {
      return groups;
    }
    Optional<CompletionStage<List<TokenOutputs>>> asked =
        ownLogprobs ? Optional.of(logprobs(policy, sequences)) : Optional.empty();
    Optional<CompletionStage<List<TokenOutputs>>> ofReference =
        reference.map(role -> logprobs(role, sequences));
    Optional<CompletionStage<List<TokenOutputs>>> ofTeacher =
        teacher.map(role -> logprobs(role, sequences));
    Optional<List<TokenOutputs>> own = asked.map(Await::on);
    Optional<List<TokenOutputs>> ref = ofReference.map(Await::on);
    Optional<List<TokenOutputs>> taught = ofTeacher.map(Await::on);
    List<List<GroupAnswer>> seen = new ArrayList<>();
    int at = 0;
    for (List<GroupAnswer> group : groups) {
      List<GroupAnswer> answers = new ArrayList<>();
      for (GroupAnswer answer : group) {
        int i = at++;
        Floats trained = own.map(all -> all.get(i).logprobs()).orElse(answer.logprobs());
        answers.add(
            answer.seen(
                trained,
                ref.map(all -> all.get(i).logprobs()),
                taught.map(all -> all.get(i).logprobs())));
      }
      seen.add(answers);
    }
    return seen;
  }

  /**
   * Answers of an older policy with what the policy says of their tokens now: it is the proximal
   * policy of this round (Hilton et al. 2022, arXiv:2110.00641). What the others say stays.
   */
  List<List<GroupAnswer>> again(List<List<GroupAnswer>> groups) {
    List<Sequence> sequences =
        groups.stream().flatMap(List::stream).map(a -> a.rollout().sequence()).toList();
    if (sequences.isEmpty()) {
      return groups;
    }
    Iterator<TokenOutputs> now = Await.on(logprobs(policy, sequences)).iterator();
    List<List<GroupAnswer>> seen = new ArrayList<>();
    for (List<GroupAnswer> group : groups) {
      List<GroupAnswer> answers = new ArrayList<>();
      for (GroupAnswer answer : group) {
        answers.add(
            answer.seen(now.next().logprobs(), answer.refLogprobs(), answer.teacherLogprobs()));
      }
      seen.add(answers);
    }
    return seen;
  }

  private static CompletionStage<List<TokenOutputs>> logprobs(Role role, List<Sequence> sequences) {
    return role.evaluate(sequences, Set.of(Output.LOGPROBS));
  }
}
