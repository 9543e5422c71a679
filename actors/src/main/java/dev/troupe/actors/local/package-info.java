/**
 * The ports of rlhf without actors: every role in this JVM, on a thread of its own. For tests, for
 * tuning, and for a service that wants no actor system.
 */
@NullMarked
package dev.troupe.actors.local;

import org.jspecify.annotations.NullMarked;
