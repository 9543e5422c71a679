package dev.troupe.launcher;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

/**
 * Whether this process is alive and ready, over HTTP, for whoever starts and restarts it: {@code
 * /alive} is 200 as long as it answers, {@code /ready} 200 once it has its place in the cluster and
 * 503 before. Nothing else is told, and nothing can be asked for.
 */
final class Health implements AutoCloseable {
  private static final int OK = 200;
  private static final int NOT_FOUND = 404;
  private static final int UNAVAILABLE = 503;

  private final HttpServer server;
  private volatile boolean ready;

  private Health(HttpServer server) {
    this.server = server;
  }

  /**
   * Listens on all of this machine's addresses.
   *
   * @param port 0 for any free one
   * @throws UserException when the port cannot be had
   */
  static Health listen(int port) {
    try {
      Health health = new Health(HttpServer.create(new InetSocketAddress(port), 0));
      health.server.createContext("/", health::answer);
      health.server.start();
      return health;
    } catch (IOException | IllegalArgumentException e) {
      throw new UserException(
          "--health is " + port + ", which cannot be listened on: " + e.getMessage(), e);
    }
  }

  /** From here on it is. */
  void ready() {
    ready = true;
  }

  int port() {
    return server.getAddress().getPort();
  }

  private void answer(HttpExchange exchange) throws IOException {
    switch (exchange.getRequestURI().getPath()) {
      case "/alive" -> say(exchange, OK, "alive");
      case "/ready" -> say(exchange, ready ? OK : UNAVAILABLE, ready ? "ready" : "not ready");
      default -> say(exchange, NOT_FOUND, "there are /alive and /ready");
    }
  }

  private static void say(HttpExchange exchange, int status, String what) throws IOException {
    byte[] bytes = (what + "\n").getBytes(StandardCharsets.UTF_8);
    try (exchange) {
      exchange.getResponseHeaders().set("Content-Type", "text/plain; charset=utf-8");
      exchange.sendResponseHeaders(status, bytes.length);
      exchange.getResponseBody().write(bytes);
    }
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
