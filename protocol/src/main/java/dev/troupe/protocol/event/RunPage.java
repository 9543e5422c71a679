package dev.troupe.protocol.event;

import java.net.URI;
import java.nio.file.Path;

/** A page on which people follow a run. */
public interface RunPage extends AutoCloseable {
  /** Where to look. */
  URI url();

  /** Reads the events to their end first. */
  @Override
  void close();

  /** Opens one. */
  @FunctionalInterface
  interface Opener {
    /**
     * @param runDirectory with the run's event file
     * @param host to listen on
     * @param port to listen on, 0 for any free one
     */
    RunPage open(Path runDirectory, String host, int port);
  }
}
