package dev.troupe.rlhf.environment;

import dev.troupe.rlhf.limits.Limits;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What a stage's episodes take place in. */
public sealed interface EnvironmentConfig {
  /**
   * Files that are read beside it, by key.
   *
   * @param section of the configuration, such as {@code grpo.environment}
   */
  default Map<String, String> files(String section) {
    return Map.of();
  }

  private static Limits service(
      String url, double connectSeconds, double timeoutSeconds, int attempts, int maxMegabytes) {
    return new Limits()
        .condition(
            "url",
            // What stands before an @ may be a secret.
            url.contains("@") ? "an address with an @" : url,
            url.matches("https?://[^\\s/?#@]+(/[^\\s?#@]*)?"),
            "an address that begins with http:// or https://, without a query, and without a name"
                + " or password before an @: name the variable that holds a token in"
                + " token-variable, and write an @ of a path as %40")
        .within("connect-seconds", connectSeconds, 0.01, 3600)
        .within("timeout-seconds", timeoutSeconds, 0.01, 86_400)
        .within("attempts", attempts, 1, 100)
        .within("max-megabytes", maxMegabytes, 1, 1024);
  }

  /** A tool that works out arithmetic; the reward is given by the stage's other rewards. */
  record Calculator() implements EnvironmentConfig {}

  /**
   * The user's own, found on the class path or passed with the run's request.
   *
   * @param name of its {@link dev.troupe.rlhf.port.EnvironmentFactory}
   */
  record JavaEnvironment(String name) implements EnvironmentConfig {
    public JavaEnvironment {
      new Limits().condition("name", "empty", !name.isBlank(), "an environment's name").verify();
    }
  }

  /**
   * An environment served by OpenEnv, 0.2 or later; one WebSocket per episode.
   *
   * @param url of the server; what is below /ws, /health and the like
   * @param use what the policy does there
   * @param actionField field of an action that takes what the policy said; a reply that is a JSON
   *     object is an action itself
   * @param observationField field of an observation that the policy reads; null for the whole
   *     observation as JSON
   * @param resetFields fields of the data's metadata that a reset is given, beside seed and episode
   * @param sessions sockets at the same time, at most; no fewer than episodes under way, and the
   *     server's own bound (max_concurrent_envs) must allow them
   * @param connectSeconds most time to connect
   * @param timeoutSeconds most time for an answer, after which the episode is left out
   * @param attempts at a connection and its reset, the first included; a step is never tried twice
   * @param placeSeconds most time that an episode waits for a socket of those allowed
   * @param maxMegabytes of a message
   * @param tokenVariable environment variable whose value is sent as a bearer token; null for none
   */
  record OpenEnv(
      String url,
      Use use,
      String actionField,
      Optional<String> observationField,
      List<String> resetFields,
      int sessions,
      double connectSeconds,
      double timeoutSeconds,
      int attempts,
      double placeSeconds,
      int maxMegabytes,
      Optional<String> tokenVariable)
      implements EnvironmentConfig {
    /** What the policy does in an environment of OpenEnv. */
    public enum Use {
      /** What it says is an action. */
      ACTIONS,
      /** It calls the tools that the environment lists. */
      TOOLS
    }

    public OpenEnv {
      resetFields = List.copyOf(resetFields);
      service(url, connectSeconds, timeoutSeconds, attempts, maxMegabytes)
          .condition("action-field", "empty", !actionField.isBlank(), "a field's name")
          .condition(
              "observation-field",
              "empty",
              observationField.filter(String::isBlank).isEmpty(),
              "a field's name, or null")
          .within("sessions", sessions, 1, 4096)
          .within("place-seconds", placeSeconds, 0.01, 86_400)
          .verify();
    }
  }

  /**
   * A resources server of NeMo-Gym, whose task is the prompt's row: its tools are called, and it
   * verifies what was said in the end.
   *
   * @param url of the resources server; what is below /seed_session, /verify and the like
   * @param tools a JSON file with the list of the tools offered, each {@code {type: function, name,
   *     description, parameters}} or as chat templates have it; null for none
   * @param connectSeconds most time to connect
   * @param timeoutSeconds most time for an answer, after which the episode is left out
   * @param attempts at a request that may be made twice (seed and verification), the first included
   * @param maxMegabytes of a reply
   * @param tokenVariable environment variable whose value is sent as a bearer token; null for none
   */
  record NemoGym(
      String url,
      Optional<String> tools,
      double connectSeconds,
      double timeoutSeconds,
      int attempts,
      int maxMegabytes,
      Optional<String> tokenVariable)
      implements EnvironmentConfig {
    public NemoGym {
      service(url, connectSeconds, timeoutSeconds, attempts, maxMegabytes)
          .condition("tools", "empty", tools.filter(String::isBlank).isEmpty(), "a file, or null")
          .verify();
    }

    @Override
    public Map<String, String> files(String section) {
      return tools.map(file -> Map.of(section + ".tools", file)).orElse(Map.of());
    }
  }
}
