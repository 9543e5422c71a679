/**
 * What actors say to one another, one file per protocol. Every type here crosses a wire: plain
 * values and actor references, registered for Kryo by {@code dev.troupe.protocol.kryo}.
 */
@NullMarked
package dev.troupe.protocol.message;

import org.jspecify.annotations.NullMarked;
