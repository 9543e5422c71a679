package dev.troupe.rewards.environment;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.Locale;
import java.util.Map;
import java.util.Queue;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;

/** As much of HTTP and WebSockets as a server needs that speaks a captured wire. */
final class SocketStandIn implements AutoCloseable {
  static final int TEXT = 1;
  static final int BINARY = 2;
  private static final int CLOSE = 8;
  private static final int PING = 9;

  /** What a connection does. */
  interface Session {
    /** A text has come. */
    void received(Connection connection, String text) throws IOException;
  }

  /** Begins a session. */
  interface Sessions {
    Session begin(Connection connection) throws IOException;
  }

  private final ServerSocket server;
  private final Map<String, String> routes = new ConcurrentHashMap<>();
  private final Queue<Map<String, String>> heads = new ConcurrentLinkedQueue<>();
  private final Queue<Socket> open = new ConcurrentLinkedQueue<>();
  private final Sessions sessions;
  private final Thread accepting;

  SocketStandIn(Sessions sessions) throws IOException {
    this.sessions = sessions;
    server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    accepting = new Thread(this::accept, "stand-in");
    accepting.setDaemon(true);
    accepting.start();
  }

  String url() {
    return "http://127.0.0.1:" + server.getLocalPort();
  }

  /** Answers a route: a status and a body; {@code /ws} only where it is not to be a socket. */
  void route(String path, int status, String body) {
    routes.put(path, status + " " + body);
  }

  /** Heads of requests so far, by names in small letters; the request line is "". */
  Queue<Map<String, String>> heads() {
    return heads;
  }

  private void accept() {
    while (!server.isClosed()) {
      try {
        Socket socket = server.accept();
        open.add(socket);
        Thread thread = new Thread(() -> serve(socket), "stand-in");
        thread.setDaemon(true);
        thread.start();
      } catch (IOException e) {
        return;
      }
    }
  }

  private void serve(Socket socket) {
    try (socket) {
      DataInputStream in = new DataInputStream(new BufferedInputStream(socket.getInputStream()));
      OutputStream out = socket.getOutputStream();
      while (true) {
        Map<String, String> head = head(in);
        heads.add(head);
        String path = head.getOrDefault("", "").split(" ", 3)[1];
        String route = routes.get(path);
        if (route == null && head.containsKey("sec-websocket-key")) {
          upgrade(in, out, head);
          return;
        }
        String answer = route == null ? "404 {\"detail\":\"Not Found\"}" : route;
        byte[] body = answer.substring(4).getBytes(StandardCharsets.UTF_8);
        write(
            out,
            "HTTP/1.1 "
                + answer.substring(0, 3)
                + " Said\r\nContent-Type: application/json\r\nContent-Length: "
                + body.length
                + "\r\n\r\n");
        out.write(body);
        out.flush();
      }
    } catch (EOFException | SocketException e) {
      // The client went.
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static Map<String, String> head(DataInputStream in) throws IOException {
    Map<String, String> head = new TreeMap<>();
    String line = line(in);
    head.put("", line);
    for (line = line(in); !line.isEmpty(); line = line(in)) {
      int colon = line.indexOf(':');
      head.put(
          line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).strip());
    }
    return head;
  }

  private static String line(DataInputStream in) throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    for (int letter = in.readUnsignedByte(); letter != '\n'; letter = in.readUnsignedByte()) {
      if (letter != '\r') {
        line.write(letter);
      }
    }
    return line.toString(StandardCharsets.UTF_8);
  }

  private void upgrade(DataInputStream in, OutputStream out, Map<String, String> head)
      throws IOException {
    String key = head.get("sec-websocket-key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    String accept;
    try {
      accept =
          Base64.getEncoder()
              .encodeToString(
                  MessageDigest.getInstance("SHA-1").digest(key.getBytes(StandardCharsets.UTF_8)));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
    write(
        out,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Accept: "
            + accept
            + "\r\n\r\n");
    Connection connection = new Connection(out);
    Session session = sessions.begin(connection);
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    while (true) {
      int first = in.readUnsignedByte();
      int second = in.readUnsignedByte();
      int length = second & 127;
      if (length == 126) {
        length = in.readUnsignedShort();
      } else if (length == 127) {
        length = Math.toIntExact(in.readLong());
      }
      byte[] mask = in.readNBytes(4);
      byte[] data = in.readNBytes(length);
      for (int i = 0; i < data.length; i++) {
        data[i] ^= mask[i % 4];
      }
      int kind = first & 15;
      if (kind == CLOSE) {
        return;
      }
      if (kind == PING) {
        continue;
      }
      text.writeBytes(data);
      if (first >= 128) {
        String whole = text.toString(StandardCharsets.UTF_8);
        text.reset();
        session.received(connection, whole);
      }
    }
  }

  private static void write(OutputStream out, String text) throws IOException {
    out.write(text.getBytes(StandardCharsets.UTF_8));
    out.flush();
  }

  /** One client's. */
  static final class Connection {
    private final OutputStream out;

    Connection(OutputStream out) {
      this.out = out;
    }

    void text(String text) throws IOException {
      frame(TEXT, text.getBytes(StandardCharsets.UTF_8));
    }

    void close(int status) throws IOException {
      frame(CLOSE, ByteBuffer.allocate(2).putShort((short) status).array());
    }

    synchronized void frame(int kind, byte[] data) throws IOException {
      ByteBuffer head = ByteBuffer.allocate(10).put((byte) (128 | kind));
      if (data.length < 126) {
        head.put((byte) data.length);
      } else if (data.length < 1 << 16) {
        head.put((byte) 126).putShort((short) data.length);
      } else {
        head.put((byte) 127).putLong(data.length);
      }
      out.write(head.array(), 0, head.position());
      out.write(data);
      out.flush();
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
    try {
      accepting.join(); // until then the port takes connections
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    for (Socket socket : open) {
      socket.close();
    }
  }
}
