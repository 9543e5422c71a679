package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.Test;

/** What restarts containers is told the truth. */
final class HealthTest {
  private static String ask(int port, String path) throws IOException, InterruptedException {
    HttpResponse<String> answer =
        HttpClient.newHttpClient()
            .send(
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path)).build(),
                HttpResponse.BodyHandlers.ofString());
    return answer.statusCode() + " " + answer.body().strip();
  }

  @Test
  void isAliveAtOnce_andReadyWhenToldSo() throws Exception {
    try (Health health = Health.listen(0)) {
      assertThat(ask(health.port(), "/alive")).isEqualTo("200 alive");
      assertThat(ask(health.port(), "/ready")).isEqualTo("503 not ready");
      health.ready();
      assertThat(ask(health.port(), "/ready?now")).isEqualTo("200 ready");
      assertThat(ask(health.port(), "/")).startsWith("404 ");
    }
  }

  @Test
  void portInUse_isTold() {
    try (Health first = Health.listen(0)) {
      assertThatThrownBy(() -> Health.listen(first.port()))
          .isInstanceOf(UserException.class)
          .hasMessage(
              "--health is "
                  + first.port()
                  + ", which cannot be listened on: Address already in use");
    }
    assertThatThrownBy(() -> Health.listen(70000))
        .hasMessageContaining("--health is 70000, which cannot be listened on: port out of range");
  }
}
