package dev.troupe.rlhf.environment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.rlhf.environment.EnvironmentConfig.NemoGym;
import dev.troupe.rlhf.limits.OutOfLimits;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EnvironmentConfigTest {
  private static NemoGym at(String url) {
    return new NemoGym(url, Optional.of("data/tools.json"), 10, 60, 3, 1, Optional.empty());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://user:hunter2@example.org",
        "https://hunter2@example.org:8000/gym",
        "http://user:hun/hunter2@example.org",
        "http://user:hunter2@example.org?x=1",
        "user:hunter2@example.org"
      })
  void addressWithASecret_isRefused_andNotRepeated(String url) {
    assertThatThrownBy(() -> at(url))
        .isInstanceOf(OutOfLimits.class)
        .hasMessageContaining("url is an address with an @, allowed: an address that begins with")
        .hasMessageContaining("name the variable that holds a token in token-variable")
        .hasMessageNotContaining("hunter2");
  }

  @Test
  void addressThatIsNone_isRepeated() {
    assertThatThrownBy(() -> at("ftp://example.org"))
        .hasMessageContaining("url is ftp://example.org, allowed: an address that begins with");
    assertThat(at("http://127.0.0.1:8103/a%40b").url()).endsWith("/a%40b");
  }

  @Test
  void toolsOfNemoGym_areAFile() {
    assertThat(at("http://127.0.0.1:8103").files("grpo.environment"))
        .isEqualTo(Map.of("grpo.environment.tools", "data/tools.json"));
    assertThat(new EnvironmentConfig.Calculator().files("grpo.environment")).isEmpty();
  }
}
