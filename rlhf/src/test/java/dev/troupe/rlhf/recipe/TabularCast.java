package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.rlhf.port.Cast;
import dev.troupe.rlhf.port.Role;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** Opens {@link TabularRole}s that share a disk of their own. */
final class TabularCast implements Cast {
  /** What should go wrong. */
  static final class Faults {
    private final Set<String> empty = new HashSet<>();
    private final Map<String, Integer> failingUpdates = new HashMap<>();
    private final Map<String, Integer> soundBefore = new HashMap<>();
    private final Set<String> withoutGradient = new HashSet<>();
    private int nanEveryLength = -1;

    Faults emptyReply(String promptId) {
      empty.add(promptId);
      return this;
    }

    Faults failUpdates(String role, int count) {
      failingUpdates.put(role, count);
      return this;
    }

    /** The first that fails is the {@code from}th, from 1. */
    Faults failUpdates(String role, int count, int from) {
      soundBefore.put(role, from - 1);
      return failUpdates(role, count);
    }

    Faults noGradient(String role) {
      withoutGradient.add(role);
      return this;
    }

    boolean hasGradient(String role) {
      return !withoutGradient.contains(role);
    }

    /** The reward model gives no number for responses that make sequences of this length. */
    Faults nanScoreAtLength(int length) {
      nanEveryLength = length;
      return this;
    }

    Set<String> emptyReplies() {
      return empty;
    }

    boolean nextUpdateFails(String role) {
      int sound = soundBefore.getOrDefault(role, 0);
      soundBefore.put(role, Math.max(0, sound - 1));
      if (sound > 0) {
        return false;
      }
      int left = failingUpdates.getOrDefault(role, 0);
      failingUpdates.put(role, Math.max(0, left - 1));
      return left > 0;
    }

    boolean scoresAreNaN(String role, Sequence sequence) {
      return role.equals("reward") && sequence.tokens().size() == nanEveryLength;
    }
  }

  final Map<String, double[]> disk = new HashMap<>();
  final Faults faults = new Faults();
  final List<RoleSpec> opened = new ArrayList<>();

  /** Of all updates, in order. */
  final List<Objective<?>> objectives = new ArrayList<>();

  @Override
  public CompletionStage<Role> open(RoleSpec spec) {
    opened.add(spec);
    return CompletableFuture.completedFuture(new TabularRole(spec, disk, faults, objectives));
  }
}
