package dev.troupe.configuration;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class NamesTest {
  @Test
  void kebab_ofComponentsTypesAndConstants() {
    assertThat(Names.kebab("maxNewTokens")).isEqualTo("max-new-tokens");
    assertThat(Names.kebab("beta1")).isEqualTo("beta1");
    assertThat(Names.kebab("TokenWise")).isEqualTo("token-wise");
    assertThat(Names.kebab("LAST_TOKEN")).isEqualTo("last-token");
    assertThat(Names.kebab("generation.topP")).isEqualTo("generation.top-p");
  }

  @Test
  void distance_countsEdits() {
    assertThat(Names.distance("epochs", "epochs")).isZero();
    assertThat(Names.distance("epohcs", "epochs")).isEqualTo(1);
    assertThat(Names.distance("epoch", "epochs")).isEqualTo(1);
    assertThat(Names.distance("", "abc")).isEqualTo(3);
    assertThat(Names.distance("kitten", "sitting")).isEqualTo(3);
  }

  @Test
  void nearest_onlyWhenNear() {
    assertThat(Names.nearest("epcohs", List.of("epochs", "batch-size"))).contains("epochs");
    assertThat(Names.nearest("zzz", List.of("epochs", "batch-size"))).isEmpty();
  }
}
