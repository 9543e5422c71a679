package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Sequence;
import dev.troupe.rlhf.data.BothKinds;
import dev.troupe.rlhf.data.JudgedAnswer;
import dev.troupe.rlhf.loss.KtoExample;
import dev.troupe.rlhf.loss.KtoObjective;
import dev.troupe.rlhf.port.Learner;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.LongFunction;

/**
 * KTO (Ethayarajh et al. 2024): answers found good or bad one by one. Its reference point is made
 * of the step's own prompts, each with the answer of another.
 *
 * @param maxTokens of a prompt with another's answer, which loses its end beyond
 */
public record KtoMethod(KtoConfig config, int maxTokens)
    implements PreferenceMethod<JudgedAnswer, KtoExample> {
  @Override
  public boolean hasReference() {
    return true;
  }

  @Override
  public LongFunction<List<JudgedAnswer>> batches(
      List<JudgedAnswer> samples, int batchSize, long seed) {
    return new BothKinds(samples, batchSize, seed)::batch;
  }

  @Override
  public Ready<KtoExample> prepare(List<JudgedAnswer> samples, Optional<Learner> reference) {
    List<Sequence> mismatched = mismatched(samples);
    List<Sequence> all = new ArrayList<>(samples.stream().map(JudgedAnswer::sequence).toList());
    all.addAll(mismatched);
    List<Double> sums = PreferenceMethod.sums(reference.orElseThrow(), all);
    List<KtoExample> examples = new ArrayList<>();
    for (int i = 0; i < samples.size(); i++) {
      examples.add(new KtoExample(all.get(i), samples.get(i).good(), sums.get(i)));
    }
    List<Double> ofMismatched = sums.subList(samples.size(), sums.size());
    return new Ready<>(examples, policy -> objective(policy, mismatched, ofMismatched));
  }

  private KtoObjective objective(
      Learner policy, List<Sequence> mismatched, List<Double> ofReference) {
    List<Double> sums = PreferenceMethod.sums(policy, mismatched);
    List<Double> logRatios = new ArrayList<>();
    for (int i = 0; i < sums.size(); i++) {
      logRatios.add(sums.get(i) - ofReference.get(i));
    }
    return new KtoObjective(
        config.beta(),
        config.desirableWeight(),
        config.undesirableWeight(),
        KtoObjective.referencePoint(logRatios),
        config.sftCoefficient());
  }

  /**
   * Each prompt with the answer of the sample before it, the first with that of the last (TRL); one
   * to the same prompt is passed over while there is another.
   */
  List<Sequence> mismatched(List<JudgedAnswer> samples) {
    List<Sequence> mismatched = new ArrayList<>();
    for (int i = 0; i < samples.size(); i++) {
      JudgedAnswer own = samples.get(i);
      int other = before(i, samples.size());
      while (other != i && samples.get(other).prompt().equals(own.prompt())) {
        other = before(other, samples.size());
      }
      JudgedAnswer from = samples.get(other == i ? before(i, samples.size()) : other);
      mismatched.add(own.withAnswerOf(from, maxTokens));
    }
    return mismatched;
  }

  private static int before(int index, int size) {
    return (index + size - 1) % size;
  }
}
