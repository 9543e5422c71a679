package dev.troupe.actors.role;

import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Prompts as their asker has them. Nodes get them bare and answer them so; answers and metadata of
 * the data stay where they are scored.
 */
record Asked(Map<String, Prompt> byId) {
  static Asked of(List<Prompt> prompts) {
    Map<String, Prompt> byId = new LinkedHashMap<>();
    prompts.forEach(prompt -> byId.put(prompt.id(), prompt));
    return new Asked(byId);
  }

  /**
   * The answers, to the prompts as they were asked.
   *
   * @throws RoleException when one answers a prompt that was not
   */
  List<Rollout> answeredBy(List<Rollout> rollouts) {
    return rollouts.stream().map(this::answeredBy).toList();
  }

  private Rollout answeredBy(Rollout rollout) {
    Prompt prompt = byId.get(rollout.prompt().id());
    if (prompt == null) {
      throw new RoleException(
          "a node answered the prompt " + rollout.prompt().id() + ", which it was not asked",
          false);
    }
    return rollout.to(prompt);
  }
}
