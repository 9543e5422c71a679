package dev.troupe.protocol.message;

import java.util.Map;

/**
 * What a role's actor is doing, told to whoever records the run.
 *
 * @param role policy, critic, reward or reference
 * @param node where it lives
 * @param state starting, idle, busy, failed or stopped
 * @param activity what it is busy with, or why it failed
 * @param memoryBytes native bytes by purpose
 * @param phaseSeconds seconds so far by phase: generate, score, train, flip
 * @param kernels whose operators compute there, in a line; empty until its engine is there, and
 *     where it has no choice
 */
public record RoleStatus(
    String role,
    String node,
    String state,
    String activity,
    long adapterVersion,
    Map<String, Long> memoryBytes,
    Map<String, Double> phaseSeconds,
    String kernels)
    implements Wire {
  public RoleStatus {
    memoryBytes = Map.copyOf(memoryBytes);
    phaseSeconds = Map.copyOf(phaseSeconds);
  }

  /** Of a role without an engine. */
  public RoleStatus(
      String role,
      String node,
      String state,
      String activity,
      long adapterVersion,
      Map<String, Long> memoryBytes,
      Map<String, Double> phaseSeconds) {
    this(role, node, state, activity, adapterVersion, memoryBytes, phaseSeconds, "");
  }
}
