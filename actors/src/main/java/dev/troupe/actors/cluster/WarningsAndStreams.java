package dev.troupe.actors.cluster;

import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.event.EventStream;
import org.apache.pekko.event.LogMarker;
import org.apache.pekko.event.slf4j.Slf4jLoggingFilter;

/**
 * Keeps Pekko's own loggers at warnings while the system's level is debug, which only its streams
 * heed: they tell the address of a connection that was refused at that level. Made by Pekko.
 */
public final class WarningsAndStreams extends Slf4jLoggingFilter {
  public WarningsAndStreams(ActorSystem.Settings settings, EventStream stream) {
    super(settings, stream);
  }

  @Override
  public boolean isInfoEnabled(Class<?> type, String source) {
    return false;
  }

  @Override
  public boolean isInfoEnabled(Class<?> type, String source, LogMarker marker) {
    return false;
  }

  @Override
  public boolean isDebugEnabled(Class<?> type, String source) {
    return false;
  }

  @Override
  public boolean isDebugEnabled(Class<?> type, String source, LogMarker marker) {
    return false;
  }
}
