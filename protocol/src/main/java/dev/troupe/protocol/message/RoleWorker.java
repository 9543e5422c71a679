package dev.troupe.protocol.message;

import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.Span;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.StepSettings;
import dev.troupe.protocol.data.TokenOutputs;
import java.util.List;
import java.util.Optional;
import org.apache.pekko.actor.typed.ActorRef;

/**
 * The actor that owns one role's engine. Requests are carried out in order; each is answered
 * exactly once.
 */
public final class RoleWorker {
  private RoleWorker() {}

  /** What a role worker accepts. */
  public interface Command {}

  /** Work for the engine. */
  public record Request(Work work, ActorRef<Reply> replyTo) implements Command, Wire {}

  /**
   * Frees the engine after all requests before it; answered by {@link Finished}, then the actor
   * stops.
   */
  public record Stop(ActorRef<Reply> replyTo) implements Command, Wire {}

  /** What an engine can be asked. */
  public sealed interface Work extends Wire {
    /** A few words for people: "generate 64". */
    String activity();
  }

  /** Loads the model; answered by {@link Finished}. */
  public record Load() implements Work {
    @Override
    public String activity() {
      return "load";
    }
  }

  /**
   * Answered by {@link Generated}.
   *
   * @param answers to each prompt, at least 1
   */
  public record Generate(List<Prompt> prompts, int answers, SamplingSettings settings)
      implements Work {
    @Override
    public String activity() {
      return "generate " + prompts.size() * answers;
    }
  }

  /** Answered by {@link Evaluated}. */
  public record Evaluate(List<Sequence> sequences, List<Output> outputs) implements Work {
    @Override
    public String activity() {
      return "evaluate " + sequences.size();
    }
  }

  /**
   * Adds to the gradient of the next {@link Step}; answered by {@link Gradient}.
   *
   * @param totals of the whole step
   */
  public record Accumulate<E extends Example>(
      Objective<E> objective, List<E> examples, BatchTotals totals) implements Work {
    @Override
    public String activity() {
      return "train on " + examples.size();
    }
  }

  /**
   * As {@link Evaluate}, of a replica: those that are its share; answered by {@link
   * EvaluatedShare}.
   */
  public record EvaluateShare(List<Sequence> sequences, List<Output> outputs, Share share)
      implements Work {
    @Override
    public String activity() {
      return "evaluate a share of " + sequences.size();
    }
  }

  /**
   * The replicas of a role, of which one is told this.
   *
   * @param share which it is
   * @param replicas all, by rank
   * @param exchange number of what they now exchange, larger each time
   * @param carriage how they do
   */
  public record Together(
      Share share, List<ActorRef<Command>> replicas, long exchange, Carriage carriage)
      implements Wire {
    public Together {
      replicas = List.copyOf(replicas);
    }
  }

  /**
   * How replicas exchange gradients.
   *
   * @param byGloo whether by a group of Gloo's, else by messages
   * @param ordered whether sums are added in the order of their tree, whatever it costs
   * @param group number of the group; one of another number is formed anew
   * @param longestMillis that a member of the group is waited for
   */
  public record Carriage(boolean byGloo, boolean ordered, long group, long longestMillis)
      implements Wire {}

  /**
   * As {@link Accumulate}, of a replica, which computes its share and has the rest from the others:
   * all come to the same; answered by {@link Gradient}.
   *
   * @param examples of all replicas
   */
  public record AccumulateShare<E extends Example>(
      Objective<E> objective, List<E> examples, BatchTotals totals, Together together)
      implements Work {
    @Override
    public String activity() {
      return "train on a share of " + examples.size();
    }
  }

  /** Asks what the model and its parameters are; answered by {@link Fingerprinted}. */
  public record Fingerprint() implements Work {
    @Override
    public String activity() {
      return "compare parameters";
    }
  }

  /** Asks by what its node can exchange gradients; answered by {@link Carries}. */
  public record Carry() implements Work {
    @Override
    public String activity() {
      return "look for Gloo";
    }
  }

  /**
   * Steps along the accumulated gradient; answered by {@link Stepped}.
   *
   * @param settings absent for those of the role
   */
  public record Step(Optional<StepSettings> settings) implements Work {
    @Override
    public String activity() {
      return "step";
    }
  }

  /**
   * As {@link Step}, of a replica that holds the optimiser's state of a shard: it steps along that,
   * and has the other parameters from the others; answered by {@link Stepped}.
   */
  public record StepShare(Optional<StepSettings> settings, Together together) implements Work {
    @Override
    public String activity() {
      return "step along a shard";
    }
  }

  /**
   * As {@link Save}, of such replicas: each gives its shard of what is saved, and the first writes;
   * answered by {@link Finished}.
   */
  public record SaveShare(String directory, Together together) implements Work {
    @Override
    public String activity() {
      return "save";
    }
  }

  /** Answered by {@link Finished}; the directory must be one that every node sees. */
  public record Save(String directory) implements Work {
    @Override
    public String activity() {
      return "save";
    }
  }

  /** Answered by {@link Finished}. */
  public record Checkpoint(String directory) implements Work {
    @Override
    public String activity() {
      return "checkpoint";
    }
  }

  /** Answered by {@link Finished}. */
  public record Restore(String directory) implements Work {
    @Override
    public String activity() {
      return "restore";
    }
  }

  /**
   * Copies the trained parameters as they are now, for other workers to {@linkplain Fetch fetch};
   * answered by {@link Lent}.
   *
   * @param oldest version of those copied before that somebody may still fetch
   */
  public record Lend(long oldest) implements Work {
    @Override
    public String activity() {
      return "lend weights";
    }
  }

  /**
   * Fetches what {@code lender} lends, works with it from then on and lends it on; answered by
   * {@link Finished}.
   *
   * @param parts how many the lender has
   * @param oldest version of those taken before that somebody may still fetch
   */
  public record Take(ActorRef<Command> lender, long adapterVersion, int parts, long oldest)
      implements Work {
    @Override
    public String activity() {
      return "take weights " + adapterVersion;
    }
  }

  /** Asks for a part of what is lent, at once and past all work; answered by {@link Fetched}. */
  public record Fetch(long adapterVersion, int part, ActorRef<Reply> replyTo)
      implements Command, Wire {}

  /**
   * Asks one replica, past all work, for some numbers of a sum of an exchange, as soon as it has
   * it; answered by {@link Fetched}.
   *
   * @param of the micro-batches that the sum is of; where it is all of the step's, only those
   *     numbers are there that this replica adds up. Where shards are gathered, which gathering of
   *     the exchange it is, from {@code [0, 1)} on
   * @param from place in the role's flat buffer
   */
  public record FetchSum(long exchange, Span of, int from, int size, ActorRef<Reply> replyTo)
      implements Command, Wire {}

  /** The same of loss and metrics; answered by {@link Figures}. */
  public record FetchFigures(long exchange, ActorRef<Reply> replyTo) implements Command, Wire {}

  /**
   * Asks one replica, past all work, for the end of an exchange; answered by {@link Failed} as soon
   * as it has failed there, else by {@link Finished}, when it is over.
   */
  public record FetchEnd(long exchange, ActorRef<Reply> replyTo) implements Command, Wire {}

  /** The same of where it is to be found by others of its group; answered by {@link Address}. */
  public record FetchAddress(long exchange, ActorRef<Reply> replyTo) implements Command, Wire {}

  /** Answers. */
  public sealed interface Reply extends Wire {}

  /**
   * The answers to one prompt stand side by side, in their order.
   *
   * @param byRow whether their log-probabilities are the same to the bit whatever was sampled
   *     beside them
   */
  public record Generated(List<Rollout> rollouts, boolean byRow) implements Reply {}

  public record Evaluated(List<TokenOutputs> outputs) implements Reply {}

  /**
   * @param items places of those in the share, in the order of the outputs
   */
  public record EvaluatedShare(List<Integer> items, List<TokenOutputs> outputs) implements Reply {}

  public record Gradient(Accumulated accumulated) implements Reply {}

  /**
   * Loss and metrics of some micro-batches.
   *
   * @param of which they are
   */
  public record FiguresOf(Span of, Accumulated figures) implements Wire {}

  /** Of all parts that a replica has. */
  public record Figures(List<FiguresOf> parts) implements Reply {}

  /**
   * What a replica must have in common with the others.
   *
   * @param model of the files of its model
   * @param parameters of what is trained
   */
  public record Fingerprinted(String model, String parameters) implements Reply {}

  /**
   * @param lacks why it cannot exchange by Gloo, empty where it can
   * @param build hash of the native library that it would do so by
   */
  public record Carries(String lacks, String build) implements Reply {}

  /**
   * @param told as Gloo wants it
   */
  public record Address(String told) implements Reply {}

  public record Stepped(StepResult result) implements Reply {}

  public record Finished() implements Reply {}

  /**
   * What others may fetch.
   *
   * @param parts in how many messages
   */
  public record Lent(long adapterVersion, int parts) implements Reply {}

  public record Fetched(Floats part) implements Reply {}

  /**
   * The work could not be done.
   *
   * @param reason complete, for the user
   * @param users true when the user's input is at fault and not the machine
   */
  public record Failed(String reason, boolean users) implements Reply {}
}
