package dev.troupe.actors.role;

/** A role could not do what was asked of it; the message names role and node. */
public final class RoleException extends RuntimeException {
  private final boolean users;

  public RoleException(String message, boolean users) {
    super(message);
    this.users = users;
  }

  /** True when the user's input is at fault, and the message says how to mend it. */
  public boolean isUsers() {
    return users;
  }
}
