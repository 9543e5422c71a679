package dev.troupe.protocol.data;

import java.util.Optional;

/**
 * A role: a base, an adapter and a head.
 *
 * @param name policy, critic, reward or reference
 * @param model directory of the base checkpoint, the same on every node
 * @param adapter directory of a PEFT adapter (and head) to start from
 * @param optimizer absent for a frozen role
 * @param temperature at which log-probabilities and entropies are taken, that of sampling
 * @param emaDecay when present, an exponential moving average of the trained parameters is kept and
 *     saved under ema/
 * @param seed of the adapter's and head's initial values
 * @param numerics in what numbers it computes
 * @param shard of the trained parameters, the one whose optimiser state it holds: all of them, but
 *     where replicas hold one each
 */
public record RoleSpec(
    String name,
    String model,
    Optional<String> adapter,
    Tuning tuning,
    Head head,
    Optional<OptimizerSettings> optimizer,
    double temperature,
    Optional<Double> emaDecay,
    long seed,
    Numerics numerics,
    Share shard) {
  /** With all of the optimiser's state. */
  public RoleSpec(
      String name,
      String model,
      Optional<String> adapter,
      Tuning tuning,
      Head head,
      Optional<OptimizerSettings> optimizer,
      double temperature,
      Optional<Double> emaDecay,
      long seed,
      Numerics numerics) {
    this(
        name,
        model,
        adapter,
        tuning,
        head,
        optimizer,
        temperature,
        emaDecay,
        seed,
        numerics,
        Share.WHOLE);
  }

  /** In float32 throughout. */
  public RoleSpec(
      String name,
      String model,
      Optional<String> adapter,
      Tuning tuning,
      Head head,
      Optional<OptimizerSettings> optimizer,
      double temperature,
      Optional<Double> emaDecay,
      long seed) {
    this(
        name, model, adapter, tuning, head, optimizer, temperature, emaDecay, seed, Numerics.EXACT);
  }

  /**
   * A role of the same parameters that takes them from this one and trains none. What it samples is
   * for this one to compute again, if so: all of it at once.
   */
  public RoleSpec follower(String other) {
    return new RoleSpec(
        other,
        model,
        adapter,
        tuning,
        head,
        Optional.empty(),
        temperature,
        Optional.empty(),
        seed,
        numerics.strict(Numerics.Strict.NEVER));
  }

  /** The same under another name. */
  public RoleSpec named(String other) {
    return new RoleSpec(
        other,
        model,
        adapter,
        tuning,
        head,
        optimizer,
        temperature,
        emaDecay,
        seed,
        numerics,
        shard);
  }

  /** The same with the optimiser's state of one shard. */
  public RoleSpec with(Share other) {
    return new RoleSpec(
        name,
        model,
        adapter,
        tuning,
        head,
        optimizer,
        temperature,
        emaDecay,
        seed,
        numerics,
        other);
  }

  /** The same role, trained otherwise. */
  public RoleSpec with(OptimizerSettings other) {
    return new RoleSpec(
        name,
        model,
        adapter,
        tuning,
        head,
        Optional.of(other),
        temperature,
        emaDecay,
        seed,
        numerics,
        shard);
  }

  /** The same role in other numbers. */
  public RoleSpec with(Numerics other) {
    return new RoleSpec(
        name, model, adapter, tuning, head, optimizer, temperature, emaDecay, seed, other, shard);
  }
}
