package dev.troupe.configuration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.rlhf.reward.FormatRule;
import dev.troupe.rlhf.reward.PatternRule;
import dev.troupe.rlhf.reward.RewardConfig;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** A section of rewards by name, as any stage may have one. */
class RewardsBindingTest {
  private record Probe(Map<String, RewardConfig> rewards) {}

  private static final ConfigurationLoader<Probe> LOADER =
      new ConfigurationLoader<>(Probe.class, "reward-probe.conf");

  private static Map<String, RewardConfig> rewards(String text) {
    return LOADER.parse(text, List.of()).value().rewards();
  }

  @Test
  void rewards_areBoundByName_withTheirKindsDefaults() {
    assertThat(
            rewards(
                """
                rewards {
                  correct = math
                  shape { type = format, tags = [think, answer], rest = none, weight = 0.2 }
                  says { type = pattern, expression = "(?i)yes", use = contains }
                }
                """))
        .isEqualTo(
            Map.of(
                "correct",
                new RewardConfig.Math(1, RewardConfig.Math.Compare.MEANING),
                "shape",
                new RewardConfig.Format(0.2, List.of("think", "answer"), FormatRule.Rest.NONE),
                "says",
                new RewardConfig.Pattern(1, "(?i)yes", PatternRule.Use.CONTAINS)));
  }

  @Test
  void whatIsWritten_bindsToTheSame() {
    String text =
        "rewards { a = math, c { type = code }, h { type = http, url = \"http://h/s\" } }";
    ConfigurationLoader.Loaded<Probe> loaded = LOADER.parse(text, List.of());
    assertThat(LOADER.parse(loaded.text(), List.of()).value()).isEqualTo(loaded.value());
  }

  @Test
  void mistakes_areTold_allAtOnce() {
    assertThatThrownBy(
            () ->
                rewards(
                    """
                    rewards {
                      a = maths
                      b { type = pattern, expression = "<a>(.*" }
                      c { type = http }
                      d { type = http, url = "localhost:8000" }
                      e { type = format, tag = [think] }
                    }
                    """))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("'rewards.a' is the text \"maths\"")
        .hasMessageContaining("did you mean 'math'?")
        .hasMessageContaining(
            "'rewards.b.expression' is \"<a>(.*\", allowed: a regular expression; Unclosed group at"
                + " character 7")
        .hasMessageContaining("missing key 'rewards.c.url'")
        .hasMessageContaining("'rewards.d.url' is localhost:8000, allowed: an address that begins")
        .hasMessageContaining("unknown key 'rewards.e.tag'; did you mean");
  }

  @Test
  void everyKey_hasADefaultAndAComment() {
    assertThat(new ConfigurationReference(Probe.class, LOADER.defaults()).gaps()).isEmpty();
  }
}
