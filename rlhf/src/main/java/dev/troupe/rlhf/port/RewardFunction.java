package dev.troupe.rlhf.port;

import java.util.List;

/**
 * A reward of the user's own. Found by {@link java.util.ServiceLoader}, or passed with a run's
 * request; the configuration names it: {@code { type = java, function = NAME }}.
 *
 * <p>It runs in the driver's JVM, wherever the models are, on threads of its own, and may be called
 * by several of them at once. It may block; when it takes longer than its {@code time-limit} it is
 * interrupted, and its samples are left out and counted. The same goes for samples of a call that
 * throws.
 */
public interface RewardFunction {
  /** By which the configuration names it. */
  String name();

  /**
   * One score per sample, in their order: {@link Score#of(double)}, with named parts if there are
   * any, or {@link Score#unscored} for a sample that cannot be scored. Another number of scores, or
   * null, ends the run.
   *
   * @throws Exception whatever goes wrong; none of these samples is scored then
   */
  List<Score> score(List<Sample> samples) throws Exception;
}
