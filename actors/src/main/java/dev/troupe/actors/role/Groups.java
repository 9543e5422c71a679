package dev.troupe.actors.role;

import dev.troupe.actors.trust.Credentials;
import dev.troupe.models.torch.Group;
import dev.troupe.models.torch.KernelException;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.message.RoleWorker;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Makes the groups by which roles of this node exchange gradients with their replicas. */
public final class Groups {
  /** Of a JVM that plays alone. */
  public static final Groups NONE = new Groups("", Optional.empty());

  private final String host;
  private final Optional<Group.Identity> identity;

  private Groups(String host, Optional<Group.Identity> identity) {
    this.host = host;
    this.identity = identity;
  }

  /**
   * Of a node.
   *
   * @param host at which others reach it
   * @param credentials of a run, whose members alone are connected
   */
  public static Groups of(String host, Credentials credentials) {
    return new Groups(
        host, Optional.of(new Group.Identity(credentials.text(), credentials.authorityText())));
  }

  /** What this node can exchange by. */
  RoleWorker.Carries carries() {
    String lacks =
        identity.map(own -> Group.lacks(host, own)).orElse("it is not a node of a cluster");
    return new RoleWorker.Carries(lacks, lacks.isEmpty() ? Group.build() : "");
  }

  /** Becomes a member; all replicas do so in the same exchange. */
  Group join(Share share, Duration longest, Peers peers) {
    Group group = Group.open(host, share.rank(), share.of(), longest, identity.orElseThrow());
    try {
      group.hears(peers.addresses(group.tells(peers::check)), peers::check);
      return group;
    } catch (KernelException e) {
      group.close();
      throw failed(e);
    } catch (RuntimeException | Error e) {
      group.close();
      throw e;
    }
  }

  /** What a group failed by, in words. */
  static RoleException failed(KernelException e) {
    return new RoleException(
        "the exchange of gradients between its replicas (cluster.exchange) failed: "
            + Group.reason(e)
            + ". The run can be resumed",
        false);
  }

  /** A role's group, for as long as it lasts. */
  static final class Membership implements AutoCloseable {
    private final Groups groups;
    private long number;
    private @Nullable Group group;

    Membership(Groups groups) {
      this.groups = groups;
    }

    /** The group of that number, formed if it is another than the last. */
    Group of(RoleWorker.Carriage carriage, Share share, Peers peers) {
      Group known = group;
      if (known != null && number == carriage.group()) {
        return known;
      }
      close();
      Group made = groups.join(share, Duration.ofMillis(carriage.longestMillis()), peers);
      group = made;
      number = carriage.group();
      return made;
    }

    @Override
    public void close() {
      Group known = group;
      group = null;
      if (known != null) {
        known.close();
      }
    }
  }
}
