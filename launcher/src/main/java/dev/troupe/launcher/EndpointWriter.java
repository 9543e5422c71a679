package dev.troupe.launcher;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.troupe.rlhf.selfinstruct.TaskWriter;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** An OpenAI-compatible service that writes tasks: completions, or with chat, chat/completions. */
final class EndpointWriter implements TaskWriter {
  private static final JsonMapper JSON = new JsonMapper();
  private static final int ATTEMPTS = 4;
  private static final Duration PATIENCE = Duration.ofMinutes(5);
  private static final int EXCERPT = 200;

  private final URI url;
  private final String model;
  private final Optional<String> token;
  private final boolean chat;
  private final double temperature;
  private final double topP;
  private final HttpClient client =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(Duration.ofSeconds(10))
          .build();

  EndpointWriter(
      URI base,
      String model,
      Optional<String> token,
      boolean chat,
      double temperature,
      double topP) {
    String scheme = base.getScheme();
    if (!("http".equals(scheme) || "https".equals(scheme)) || base.getHost() == null) {
      throw new UserException(
          "--endpoint is " + base + ", expected a URL such as http://localhost:8000/v1");
    }
    url =
        URI.create(
            base.toString().replaceAll("/+$", "") + (chat ? "/chat/completions" : "/completions"));
    this.model = model;
    this.token = token;
    this.chat = chat;
    this.temperature = temperature;
    this.topP = topP;
  }

  @Override
  public Written write(String prompt, List<String> stop, int longest, long seed) {
    Map<String, Object> asked = new LinkedHashMap<>();
    asked.put("model", model);
    if (chat) {
      asked.put("messages", List.of(Map.of("role", "user", "content", prompt)));
    } else {
      asked.put("prompt", prompt);
    }
    asked.put("max_tokens", longest);
    asked.put("temperature", temperature);
    asked.put("top_p", topP);
    asked.put("stop", stop);
    // Services hold seeds in signed integers of 32 bits.
    asked.put("seed", Math.floorMod(seed, Integer.MAX_VALUE));
    JsonNode choice = answer(asked).path("choices").path(0);
    JsonNode text = chat ? choice.path("message").path("content") : choice.path("text");
    if (!text.isTextual()) {
      throw new UserException(
          url + " answered without choices[0]." + (chat ? "message.content" : "text"));
    }
    return new Written(
        ModelWriter.before(text.textValue(), stop),
        choice.path("finish_reason").asText().equals("length"));
  }

  private JsonNode answer(Map<String, Object> asked) {
    String why = "";
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
      try {
        if (attempt > 0) {
          TimeUnit.SECONDS.sleep(1L << attempt);
        }
        HttpRequest.Builder request =
            HttpRequest.newBuilder(url)
                .timeout(PATIENCE)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofByteArray(JSON.writeValueAsBytes(asked)));
        token.ifPresent(secret -> request.header("Authorization", "Bearer " + secret));
        HttpResponse<byte[]> reply =
            client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
        int status = reply.statusCode();
        if (status == 200) {
          return JSON.readTree(reply.body());
        }
        why = "status " + status + ": " + excerpt(reply.body());
        if (status < 500 && status != 429 && status != 408) {
          break;
        }
      } catch (IOException e) {
        why = e.toString();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new UserException("interrupted while " + url + " was asked");
      }
    }
    throw new UserException(
        url
            + " did not answer as expected (status 200 with JSON), the last time: "
            + why
            + ". What was written before is kept; start again to go on.");
  }

  private static String excerpt(byte[] body) {
    String text = new String(body, StandardCharsets.UTF_8).strip().replaceAll("\\s+", " ");
    return text.length() <= EXCERPT ? text : text.substring(0, EXCERPT) + "…";
  }
}
