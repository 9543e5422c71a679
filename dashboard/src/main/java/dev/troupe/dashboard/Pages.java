package dev.troupe.dashboard;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.dashboard.DashboardServer.LiveView;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.pekko.NotUsed;
import org.apache.pekko.http.javadsl.model.ContentTypes;
import org.apache.pekko.http.javadsl.model.HttpEntities;
import org.apache.pekko.http.javadsl.model.HttpHeader;
import org.apache.pekko.http.javadsl.model.HttpMethods;
import org.apache.pekko.http.javadsl.model.HttpRequest;
import org.apache.pekko.http.javadsl.model.HttpResponse;
import org.apache.pekko.http.javadsl.model.MediaTypes;
import org.apache.pekko.http.javadsl.model.ResponseEntity;
import org.apache.pekko.http.javadsl.model.StatusCode;
import org.apache.pekko.http.javadsl.model.StatusCodes;
import org.apache.pekko.http.javadsl.model.headers.RawHeader;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.util.ByteString;

/** Which address answers what. Reads only; a request changes nothing. */
final class Pages {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration TICK = Duration.ofMillis(250);
  private static final Duration HEARTBEAT = Duration.ofSeconds(10);
  private static final String CHART =
      "/META-INF/resources/webjars/chart.js/4.5.1/dist/chart.umd.min.js";

  /** Path to resource; nothing else on the class path can be asked for. */
  private static final Map<String, String> STATIC =
      Map.of(
          "/", "static/index.html",
          "/static/style.css", "static/style.css",
          "/static/app.js", "static/app.js",
          "/static/charts.js", "static/charts.js",
          "/static/dom.js", "static/dom.js",
          "/static/format.js", "static/format.js",
          "/static/rollout.js", "static/rollout.js",
          "/static/summary.js", "static/summary.js",
          "/favicon.svg", "static/favicon.svg",
          "/static/chart.js", CHART);

  /**
   * Only what this server itself serves may run or load, so a text of a rollout that looks like a
   * script stays a text even if the page had a mistake.
   */
  private static final List<HttpHeader> HEADERS =
      List.of(
          RawHeader.create(
              "Content-Security-Policy",
              "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
                  + " connect-src 'self'; base-uri 'none'; form-action 'none';"
                  + " frame-ancestors 'none'"),
          RawHeader.create("X-Content-Type-Options", "nosniff"),
          RawHeader.create("X-Frame-Options", "DENY"),
          RawHeader.create("Referrer-Policy", "no-referrer"),
          RawHeader.create("Cross-Origin-Resource-Policy", "same-origin"),
          RawHeader.create("Cache-Control", "no-cache"));

  private final LiveView live;

  /** Names that a request may call this server; empty when any may be used. */
  private final Set<String> names;

  Pages(LiveView live, String host) {
    this.live = live;
    this.names =
        isLoopback(host)
            ? Stream.of("localhost", "127.0.0.1", "[::1]", "::1", host).collect(Collectors.toSet())
            : Set.of();
  }

  private static boolean isLoopback(String host) {
    try {
      return InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException e) {
      return false;
    }
  }

  HttpResponse answer(HttpRequest request) {
    if (!names.isEmpty() && !names.contains(request.getUri().host().address())) {
      // A page of another site may have bent its own name to this address (DNS rebinding).
      return text(StatusCodes.FORBIDDEN, "this dashboard answers to localhost only\n");
    }
    if (!request.method().equals(HttpMethods.GET)) {
      return text(StatusCodes.METHOD_NOT_ALLOWED, "this dashboard can only be read\n");
    }
    String path = request.getUri().path();
    if (STATIC.containsKey(path)) {
      return resource(STATIC.get(path));
    }
    RunView view = live.get();
    return switch (path) {
      case "/healthz" -> text(StatusCodes.OK, "ok\n");
      case "/metrics" ->
          respond(
              StatusCodes.OK,
              HttpEntities.create(
                  ContentTypes.parse(RunMetrics.CONTENT_TYPE),
                  ByteString.fromString(RunMetrics.text(view))));
      case "/api/run" -> json(RunJson.run(view, request.getUri().query().get("stage")));
      case "/api/configuration" -> text(StatusCodes.OK, view.configuration());
      case "/api/events" -> events(request);
      default ->
          path.startsWith("/api/rollouts/")
              ? rollout(view, path.substring("/api/rollouts/".length()))
              : text(StatusCodes.NOT_FOUND, "no such page\n");
    };
  }

  private static HttpResponse rollout(RunView view, String id) {
    OptionalLong number = parse(id);
    return number.isPresent()
        ? view.rollout(number.getAsLong())
            .map(rollout -> json(RunJson.rollout(rollout)))
            .orElseGet(() -> text(StatusCodes.NOT_FOUND, "no such rollout, or no longer kept\n"))
        : text(StatusCodes.BAD_REQUEST, "a rollout is asked for by the number of its event\n");
  }

  /**
   * Server-sent events: the number of the newest event, whenever it has grown beyond {@code after}
   * or, on a renewed connection, beyond what the client saw last.
   */
  private HttpResponse events(HttpRequest request) {
    String after =
        request
            .getHeader("Last-Event-ID")
            .map(HttpHeader::value)
            .or(() -> request.getUri().query().get("after"))
            .orElse("0");
    OptionalLong seen = parse(after);
    if (seen.isEmpty()) {
      return text(StatusCodes.BAD_REQUEST, "after is the number of an event\n");
    }
    Source<ByteString, NotUsed> messages =
        Source.tick(Duration.ZERO, TICK, NotUsed.getInstance())
            .map(tick -> live.get().sequence())
            .statefulMap(
                seen::getAsLong,
                (Long last, Long now) ->
                    org.apache.pekko.japi.Pair.create(
                        now, now > last ? Optional.of(now) : Optional.<Long>empty()),
                last -> Optional.empty())
            .filter(Optional::isPresent)
            .map(
                news ->
                    String.format(
                        Locale.ROOT, "id: %1$d\ndata: {\"sequence\":%1$d}\n\n", news.get()))
            .keepAlive(HEARTBEAT, () -> ": still here\n\n")
            .prepend(Source.single("retry: 1000\n\n"))
            .map(ByteString::fromString)
            .mapMaterializedValue(timer -> NotUsed.getInstance());
    return respond(
        StatusCodes.OK,
        HttpEntities.createChunked(MediaTypes.TEXT_EVENT_STREAM.toContentType(), messages));
  }

  private static OptionalLong parse(String number) {
    try {
      return OptionalLong.of(Long.parseLong(number));
    } catch (NumberFormatException e) {
      return OptionalLong.empty();
    }
  }

  private static HttpResponse resource(String name) {
    try (InputStream stream = Pages.class.getResourceAsStream(name)) {
      if (stream == null) {
        throw new IllegalStateException("the class path lacks " + name);
      }
      return respond(
          StatusCodes.OK,
          HttpEntities.create(
              ContentTypes.parse(contentType(name)), ByteString.fromArray(stream.readAllBytes())));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + name + " from the class path", e);
    }
  }

  private static String contentType(String name) {
    return switch (name.substring(name.lastIndexOf('.') + 1)) {
      case "html" -> "text/html; charset=UTF-8";
      case "css" -> "text/css; charset=UTF-8";
      case "js" -> "text/javascript; charset=UTF-8";
      case "svg" -> "image/svg+xml";
      default -> throw new IllegalArgumentException("no content type for " + name);
    };
  }

  private static HttpResponse json(ObjectNode node) {
    try {
      return respond(
          StatusCodes.OK,
          HttpEntities.create(
              ContentTypes.APPLICATION_JSON, ByteString.fromArray(JSON.writeValueAsBytes(node))));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a tree of plain values could not be written", e);
    }
  }

  private static HttpResponse text(StatusCode status, String text) {
    return respond(
        status,
        HttpEntities.create(ContentTypes.TEXT_PLAIN_UTF8, text.getBytes(StandardCharsets.UTF_8)));
  }

  private static HttpResponse respond(StatusCode status, ResponseEntity entity) {
    return HttpResponse.create().withStatus(status).withEntity(entity).addHeaders(HEADERS);
  }
}
