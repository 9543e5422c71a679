/** What Java Flight Recorder is told of; for all modules, as plain data is. */
@NullMarked
package dev.troupe.protocol.recording;

import org.jspecify.annotations.NullMarked;
