package dev.troupe.rewards.environment;

import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EpisodeException;
import java.io.IOException;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * One session's socket. Its messages do not say which request they answer, so that one request at a
 * time is under way, and a socket whose answer did not come in time is dropped: the answer might
 * come later and be taken for the next one.
 */
final class OpenEnvSocket implements WebSocket.Listener, AutoCloseable {
  static final String OUT_OF_TURN = "the environment answered out of turn";
  static final String CLOSED = "the environment closed the connection";

  private static final String ROUTE = "/ws";

  /** How long a server is given to close a session that is over. */
  private static final long CLOSE_SECONDS = 5;

  private final Service service;
  private final StringBuilder message = new StringBuilder();
  private final CompletableFuture<@Nullable Void> closed = new CompletableFuture<>();
  private @Nullable WebSocket socket;
  private @Nullable CompletableFuture<String> awaited;

  /** What came when nothing had been asked: a refusal of the session, or something unknown. */
  private @Nullable String unasked;

  private @Nullable String fate;

  private OpenEnvSocket(Service service) {
    this.service = service;
  }

  /**
   * Connects.
   *
   * @throws IOException when that fails, and may not another time
   * @throws EnvironmentException when it will fail each time
   */
  static OpenEnvSocket open(Service service) throws IOException, InterruptedException {
    OpenEnvSocket made = new OpenEnvSocket(service);
    WebSocket.Builder builder = service.client().newWebSocketBuilder();
    builder.connectTimeout(service.connect());
    service.token().ifPresent(token -> builder.header("Authorization", "Bearer " + token));
    CompletableFuture<WebSocket> opening = builder.buildAsync(service.socket(ROUTE), made);
    try {
      made.socket = opening.get(service.connect().toNanos(), TimeUnit.NANOSECONDS);
      return made;
    } catch (TimeoutException e) {
      opening.cancel(true);
      throw new IOException(
          "no connection within " + Service.seconds(service.connect()) + " (connect-seconds)");
    } catch (ExecutionException e) {
      if (e.getCause() instanceof WebSocketHandshakeException refused) {
        throw refused(service, refused.getResponse().statusCode());
      }
      throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
    }
  }

  private static IOException refused(Service service, int status) {
    String found = service.where(ROUTE) + " answered status " + status;
    if (status == 401 || status == 403) {
      throw new EnvironmentException(found + "; is token-variable set and right?");
    }
    if (status >= 400 && status < 500 && status != 408 && status != 429) {
      throw new EnvironmentException(
          found
              + ", expected a WebSocket: sessions need OpenEnv 0.2 or later, and an url without the"
              + " route /ws");
    }
    return new IOException("status " + status);
  }

  /**
   * Asks, and waits for the answer.
   *
   * @throws EpisodeException when none comes; the socket is of no more use
   */
  String ask(String request) throws EpisodeException, InterruptedException {
    if (request.getBytes(StandardCharsets.UTF_8).length > service.most()) {
      throw new EpisodeException(
          Service.REFUSED,
          service.where(ROUTE)
              + ": a message of more than "
              + (service.most() >> 20)
              + " MiB was not sent (max-megabytes)");
    }
    CompletableFuture<String> reply = new CompletableFuture<>();
    synchronized (this) {
      String refusal = unasked;
      if (refusal != null && refusal.contains("\"error\"")) {
        return refusal; // such as one over the server's capacity, sent at once
      }
      if (refusal != null) {
        drop();
        throw new EpisodeException(
            OUT_OF_TURN, service.where(ROUTE) + " sent unasked: " + Service.excerpt(refusal));
      }
      if (fate != null) {
        throw new EpisodeException(CLOSED, service.where(ROUTE) + ": " + fate);
      }
      awaited = reply;
    }
    try {
      send(request, reply);
      return reply.get(service.timeout().toNanos(), TimeUnit.NANOSECONDS);
    } catch (TimeoutException e) {
      drop();
      throw new EpisodeException(
          Service.TOO_LONG,
          service.where(ROUTE)
              + ": no answer within "
              + service.limit()
              + " to "
              + Service.excerpt(request));
    } catch (ExecutionException e) {
      throw new EpisodeException(
          CLOSED, service.where(ROUTE) + ": " + String.valueOf(e.getCause().getMessage()));
    } catch (InterruptedException e) {
      drop();
      throw e;
    } finally {
      synchronized (this) {
        awaited = null;
      }
    }
  }

  /** Sends; that this fails is no matter where there is an answer already, as of a full server. */
  private void send(String request, CompletableFuture<String> reply)
      throws ExecutionException, InterruptedException, TimeoutException {
    try {
      open().sendText(request, true).get(service.timeout().toNanos(), TimeUnit.NANOSECONDS);
    } catch (ExecutionException e) {
      if (!reply.isDone()) {
        throw e;
      }
    }
  }

  private WebSocket open() {
    WebSocket opened = socket;
    if (opened == null) {
      throw new IllegalStateException("a socket that is not open");
    }
    return opened;
  }

  private void drop() {
    open().abort();
    ended("it was dropped after an answer that did not come");
  }

  @Override
  public @Nullable CompletionStage<?> onText(WebSocket from, CharSequence data, boolean last) {
    if (message.length() + data.length() > service.most()) {
      from.abort();
      ended("it sent a message longer than " + (service.most() >> 20) + " MiB (max-megabytes)");
      return null;
    }
    message.append(data);
    if (last) {
      String whole = message.toString();
      message.setLength(0);
      received(whole);
    }
    from.request(1);
    return null;
  }

  private synchronized void received(String whole) {
    if (awaited != null && !awaited.isDone()) {
      awaited.complete(whole);
    } else if (unasked == null) {
      unasked = whole;
    }
  }

  @Override
  public @Nullable CompletionStage<?> onBinary(WebSocket from, ByteBuffer data, boolean last) {
    from.abort();
    ended("it sent bytes, expected text");
    return null;
  }

  @Override
  public @Nullable CompletionStage<?> onClose(WebSocket from, int status, String reason) {
    ended("closed with " + status + (reason.isEmpty() ? "" : " (" + reason + ")"));
    return null;
  }

  @Override
  public void onError(WebSocket from, Throwable failure) {
    ended(failure.getMessage() == null ? failure.getClass().getSimpleName() : failure.getMessage());
  }

  private synchronized void ended(String how) {
    if (fate == null) {
      fate = how;
    }
    if (awaited != null) {
      awaited.completeExceptionally(new IOException(fate));
    }
    closed.complete(null);
  }

  /** Tells the server that the session is over, and waits a little for it to have ended it. */
  @Override
  public void close() {
    WebSocket opened = open();
    try {
      if (!closed.isDone()) {
        opened
            .sendText("{\"type\":\"close\"}", true)
            .thenCompose(sent -> closed)
            .get(CLOSE_SECONDS, TimeUnit.SECONDS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (ExecutionException | TimeoutException e) {
      // It is dropped all the same.
    } finally {
      opened.abort();
    }
  }
}
