package dev.troupe.rewards.environment;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EpisodeException;
import java.io.IOException;
import java.util.Map;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/** A session at an OpenEnv server: an environment of one's own, from its reset to its end. */
final class OpenEnvSession implements AutoCloseable {
  static final String NO_PLACE = "the environment has no place";
  private static final String ROUTE = "/ws";

  private final Service service;
  private final OpenEnvSocket socket;

  private OpenEnvSession(Service service, OpenEnvSocket socket) {
    this.service = service;
    this.socket = socket;
  }

  /**
   * What an environment shows.
   *
   * @param seen the observation itself
   */
  record Seen(JsonNode seen, OptionalDouble reward, boolean done) {}

  /** A session and what its reset showed. */
  record Begun(OpenEnvSession session, Seen first) {}

  /** A server that is full. */
  private static final class Full extends Exception {
    private static final long serialVersionUID = 1;

    Full(String message) {
      super(message);
    }
  }

  /** An action that is none by the environment's schema; the session can go on. */
  static final class Invalid extends Exception {
    private static final long serialVersionUID = 1;

    private final transient JsonNode errors;

    /**
     * @param errors a list, each with its {@code type} and {@code loc}
     */
    Invalid(String message, JsonNode errors) {
      super(message);
      this.errors = errors;
    }

    /**
     * Whether an action of one field is none by its fields, whatever is in that field: another is
     * missing, or there is no such field.
     */
    boolean lacksFields(String field) {
      for (JsonNode error : errors) {
        String type = error.path("type").asText();
        JsonNode place = error.path("loc");
        boolean here = place.path(place.size() - 1).asText().equals(field);
        boolean within = !here && place.path(0).asText().equals(field);
        if ((type.equals("missing") && !within) || (type.equals("extra_forbidden") && here)) {
          return true;
        }
      }
      return false;
    }
  }

  /**
   * Connects and resets, several times where the server is full or not there.
   *
   * @throws EpisodeException when it is so each time, or the reset fails
   */
  static Begun begin(Service service, Map<String, @Nullable Object> reset, int attempts)
      throws EpisodeException, InterruptedException {
    ObjectNode request = Service.JSON.createObjectNode().put("type", "reset");
    request.set("data", Service.JSON.valueToTree(reset));
    for (int attempt = 1; ; attempt++) {
      String reason;
      String why;
      OpenEnvSession session = null;
      try {
        session = new OpenEnvSession(service, OpenEnvSocket.open(service));
        Begun begun = new Begun(session, session.seen(session.ask(request)));
        session = null;
        return begun;
      } catch (IOException e) {
        reason = Service.UNREACHABLE;
        why = Service.inWords(e);
      } catch (Full e) {
        reason = NO_PLACE;
        why = String.valueOf(e.getMessage());
      } catch (EpisodeException e) {
        if (!e.reason().equals(OpenEnvSocket.CLOSED)) {
          throw e;
        }
        reason = e.reason();
        why = String.valueOf(e.getMessage());
      } catch (Invalid e) {
        throw new EpisodeException(
            Service.REFUSED, service.where(ROUTE) + ": the reset is refused: " + e.getMessage());
      } finally {
        if (session != null) {
          session.close();
        }
      }
      if (attempt == attempts) {
        throw new EpisodeException(
            reason, service.where(ROUTE) + ": " + attempts + " attempts, the last: " + why);
      }
      Service.rest(attempt);
    }
  }

  /**
   * Takes a step.
   *
   * @throws Invalid when the action is none
   */
  Seen step(JsonNode action) throws EpisodeException, Invalid, InterruptedException {
    ObjectNode request = Service.JSON.createObjectNode().put("type", "step");
    request.set("data", action);
    try {
      return seen(ask(request));
    } catch (Full e) {
      throw new EpisodeException(NO_PLACE, service.where(ROUTE) + ": " + e.getMessage());
    }
  }

  /** The data of an answer that is no error. */
  private JsonNode ask(ObjectNode request)
      throws EpisodeException, Full, Invalid, InterruptedException {
    String text = socket.ask(request.toString());
    JsonNode answer;
    try {
      answer = Service.JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw unreadable("no JSON", text);
    }
    JsonNode data = answer.path("data");
    return switch (answer.path("type").asText()) {
      case "observation" -> data;
      case "error" -> throw error(data, request);
      default -> throw unreadable("neither an observation nor an error", text);
    };
  }

  private EpisodeException error(JsonNode data, ObjectNode request) throws Full, Invalid {
    String code = data.path("code").asText("");
    String said = data.path("message").asText("");
    String where = service.where(ROUTE);
    return switch (code) {
      case "CAPACITY_REACHED" ->
          throw new Full(
              "the server is full: "
                  + data.path("active_sessions").asText("?")
                  + " of "
                  + data.path("max_sessions").asText("?")
                  + " sessions; raise its max_concurrent_envs, or lower sessions");
      case "VALIDATION_ERROR" ->
          throw new Invalid(faults(said, data.path("errors")), data.path("errors"));
      case "EXECUTION_ERROR" -> new EpisodeException(Service.FAILED, where + ": " + excerpt(said));
      case "FACTORY_ERROR" ->
          new EpisodeException(
              Service.FAILED,
              where
                  + ": the server could not make an environment"
                  + (data.hasNonNull("factory_name")
                      ? " (" + data.get("factory_name").asText() + ")"
                      : "")
                  + ": "
                  + excerpt(said));
      case "SESSION_ERROR" ->
          new EpisodeException("the environment lost the session", where + ": " + excerpt(said));
      case "INVALID_JSON", "UNKNOWN_TYPE" ->
          throw new EnvironmentException(
              where
                  + " does not understand "
                  + Service.excerpt(request.toString())
                  + ": "
                  + code
                  + " "
                  + excerpt(said)
                  + "; expected a server of OpenEnv 0.2 or later");
      default -> new EpisodeException(Service.REFUSED, where + ": " + code + " " + excerpt(said));
    };
  }

  private static String excerpt(String said) {
    return Service.excerpt(said);
  }

  /** What a validation found, each with its place. */
  private static String faults(String said, JsonNode errors) {
    StringBuilder faults = new StringBuilder(said);
    for (JsonNode error : errors) {
      StringBuilder place = new StringBuilder();
      error
          .path("loc")
          .forEach(part -> place.append(place.isEmpty() ? "" : ".").append(part.asText()));
      faults
          .append(faults.isEmpty() ? "" : "; ")
          .append(place.isEmpty() ? "" : place + ": ")
          .append(error.path("msg").asText());
    }
    return excerpt(faults.toString());
  }

  private Seen seen(JsonNode data) throws EpisodeException {
    JsonNode reward = data.path("reward");
    OptionalDouble given =
        reward.isNumber()
            ? OptionalDouble.of(reward.doubleValue())
            : reward.isBoolean()
                ? OptionalDouble.of(reward.booleanValue() ? 1 : 0)
                : OptionalDouble.empty();
    if (given.isEmpty() && !reward.isNull() && !reward.isMissingNode()) {
      throw unreadable("a reward that is neither a number, true, false nor null", data.toString());
    }
    if (given.isPresent() && !Double.isFinite(given.getAsDouble())) {
      throw unreadable("a reward that is not finite", data.toString());
    }
    return new Seen(data.path("observation"), given, data.path("done").asBoolean(false));
  }

  EpisodeException unreadable(String found, String text) {
    return new EpisodeException(
        Service.BAD_REPLY,
        service.where(ROUTE) + " answered with " + found + ": " + Service.excerpt(text));
  }

  @Override
  public void close() {
    socket.close();
  }
}
