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
import java.util.concurrent.CompletableFuture;
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

  /** What roles say of some sequences. */
  private record Said(
      Optional<List<TokenOutputs>> own,
      Optional<List<TokenOutputs>> reference,
      Optional<List<TokenOutputs>> teacher) {}

  /**
   * The same groups with what all roles say of their tokens, as soon as they have said it.
   *
   * @param turn when the policy is asked too, where it samples in other numbers or older weights
   *     did; absent where what it said as it sampled is what it says
   */
  CompletionStage<List<List<GroupAnswer>>> seen(
      List<List<GroupAnswer>> groups, Optional<CompletionStage<Void>> turn) {
    List<Sequence> sequences =
        groups.stream().flatMap(List::stream).map(a -> a.rollout().sequence()).toList();
    if (sequences.isEmpty()) {
      return CompletableFuture.completedFuture(groups);
    }
    CompletionStage<Optional<List<TokenOutputs>>> ofPolicy =
        maybe(turn.map(come -> come.thenCompose(now -> logprobs(policy, sequences))));
    CompletionStage<Optional<List<TokenOutputs>>> ofReference =
        maybe(reference.map(role -> logprobs(role, sequences)));
    CompletionStage<Optional<List<TokenOutputs>>> ofTeacher =
        maybe(teacher.map(role -> logprobs(role, sequences)));
    return ofPolicy
        .thenCombine(ofReference, (said, ref) -> new Said(said, ref, Optional.empty()))
        .thenCombine(
            ofTeacher, (said, taught) -> seen(groups, new Said(said.own, said.reference, taught)));
  }

  private static <T> CompletionStage<Optional<T>> maybe(Optional<CompletionStage<T>> asked) {
    return asked
        .map(stage -> stage.thenApply(Optional::of))
        .orElseGet(() -> CompletableFuture.completedFuture(Optional.empty()));
  }

  private static List<List<GroupAnswer>> seen(List<List<GroupAnswer>> groups, Said said) {
    List<List<GroupAnswer>> seen = new ArrayList<>();
    int at = 0;
    for (List<GroupAnswer> group : groups) {
      List<GroupAnswer> answers = new ArrayList<>();
      for (GroupAnswer answer : group) {
        int i = at++;
        Floats trained = said.own.map(all -> all.get(i).logprobs()).orElse(answer.logprobs());
        answers.add(
            answer.seen(
                trained,
                said.reference.map(all -> all.get(i).logprobs()),
                said.teacher.map(all -> all.get(i).logprobs())));
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
