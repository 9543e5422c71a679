package dev.troupe.actors.role;

import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * How long a role's work may make no progress, and what is done about it then.
 *
 * @param silence longest; zero where nobody looks
 * @param end ends this JVM for the reason that it is given, as the thread at work cannot be ended;
 *     whoever asked then learns that the node is gone. Absent where the JVM is not a node's: the
 *     request is answered
 */
record Patience(Duration silence, Optional<Consumer<String>> end) {
  static final Patience ENDLESS = new Patience(Duration.ZERO, Optional.empty());
}
