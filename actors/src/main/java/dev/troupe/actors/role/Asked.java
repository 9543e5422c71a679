package dev.troupe.actors.role;

import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.rlhf.port.Sampler;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;

/**
 * What was asked of a node, which what it says must be an answer to: one to another question would
 * be scored and learned as an answer to this.
 *
 * @param who is asked, for errors
 */
record Asked(String who) {
  /**
   * The answers, to the prompts as their asker has them, a group per prompt. Nodes get prompts bare
   * and answer them so; answers and metadata of the data stay where they are scored.
   *
   * @throws RoleException when one is no answer to its prompt
   */
  List<List<Rollout>> answeredBy(List<Prompt> prompts, int answers, List<Rollout> rollouts) {
    Sampler.fault(prompts, answers, rollouts).ifPresent(this::refuse);
    List<Rollout> answered = new ArrayList<>();
    for (int i = 0; i < rollouts.size(); i++) {
      answered.add(rollouts.get(i).to(prompts.get(i / answers)));
    }
    return Sampler.grouped(prompts, answers, answered);
  }

  /**
   * The outputs, as they came.
   *
   * @throws RoleException when there is not one number of each kind at each read
   */
  List<TokenOutputs> saidOf(
      List<Sequence> sequences, Collection<Output> kinds, List<TokenOutputs> outputs) {
    if (outputs.size() != sequences.size()) {
      refuse("was asked about " + sequences.size() + " sequences, told of " + outputs.size());
    }
    for (int i = 0; i < sequences.size(); i++) {
      int reads = sequences.get(i).reads().size();
      for (Output kind : kinds) {
        int told = of(kind, outputs.get(i));
        if (told != reads) {
          refuse(
              "was asked for "
                  + reads
                  + " "
                  + kind.name().toLowerCase(Locale.ROOT)
                  + " of sequence "
                  + (i + 1)
                  + " of "
                  + sequences.size()
                  + ", gave "
                  + told);
        }
      }
    }
    return outputs;
  }

  private static int of(Output kind, TokenOutputs outputs) {
    return switch (kind) {
      case LOGPROBS -> outputs.logprobs().size();
      case ENTROPIES -> outputs.entropies().size();
      case VALUES -> outputs.values().size();
    };
  }

  private void refuse(String fault) {
    throw new RoleException(who + " " + fault, false);
  }
}
