package dev.troupe.dashboard;

import dev.troupe.protocol.event.EventLog;
import dev.troupe.protocol.event.EventLogException;
import dev.troupe.protocol.event.EventReader;
import dev.troupe.protocol.event.RunEvent;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Follows the event file of a run directory on a thread of its own and hands on what is new, from
 * the first event, a batch at a time. Closing reads to the end of the file first, so that nothing
 * that was written before is missed.
 */
public final class RunFollower implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(RunFollower.class);
  private static final Duration INTERVAL = Duration.ofMillis(200);
  private static final int BATCH = 2000;

  private final EventReader reader;
  private final Consumer<List<RunEvent>> consumer;
  private final CountDownLatch closing = new CountDownLatch(1);
  private final Thread thread;

  private RunFollower(String name, Path runDirectory, Consumer<List<RunEvent>> consumer) {
    this.reader = EventReader.open(runDirectory.resolve(EventLog.FILE_NAME));
    this.consumer = consumer;
    this.thread = new Thread(this::follow, name);
    thread.setDaemon(true);
  }

  /**
   * Starts to follow.
   *
   * @param name of the thread
   * @param consumer is called on that thread with one or more events, in order; when it throws, the
   *     following ends and the cause is logged
   */
  public static RunFollower start(
      String name, Path runDirectory, Consumer<List<RunEvent>> consumer) {
    RunFollower follower = new RunFollower(name, runDirectory, consumer);
    follower.thread.start();
    return follower;
  }

  private void follow() {
    try (reader) {
      boolean last = false;
      while (!last) {
        last = closing.await(INTERVAL.toMillis(), TimeUnit.MILLISECONDS);
        drain();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (EventLogException e) {
      LOG.error("[{}] stops: {}", thread.getName(), e.getMessage());
    } catch (RuntimeException e) {
      LOG.error("[{}] stops", thread.getName(), e);
    }
  }

  private void drain() {
    for (List<RunEvent> events = reader.poll(BATCH);
        !events.isEmpty();
        events = reader.poll(BATCH)) {
      consumer.accept(events);
    }
  }

  @Override
  public void close() {
    closing.countDown();
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
