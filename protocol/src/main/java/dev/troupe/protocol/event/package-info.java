/**
 * The event stream of a run: what the coordinator writes down and what the dashboard, TensorBoard
 * and people read, while the run lasts and after. The messages are generated from {@code
 * events.proto}; {@link dev.troupe.protocol.event.EventLog} writes them to one file and {@link
 * dev.troupe.protocol.event.EventReader} follows it. Not for messages between actors.
 */
@NullMarked
package dev.troupe.protocol.event;

import org.jspecify.annotations.NullMarked;
