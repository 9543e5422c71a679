package dev.troupe.launcher.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class MeasurementTest {
  private static final Measurement STEP =
      Measurement.of("step", Map.of("lanes", 2), "times", List.of(1.5, 1.1, 1.3));

  @Test
  void demand_isKeptByItsBoundAndOnItsSideAlone() {
    assertThat(Demand.atMost(1.3).isMet(1.3)).isTrue();
    assertThat(Demand.atMost(1.3).isMet(1.31)).isFalse();
    assertThat(Demand.atLeast(1.3).isMet(1.3)).isTrue();
    assertThat(Demand.atLeast(1.3).isMet(1.29)).isFalse();
    assertThat(Demand.atMost(1.3).isMet(Double.NaN)).isFalse();
    assertThat(Demand.atLeast(1.3).isMet(Double.NaN)).isFalse();
  }

  @Test
  void text_judgesTheMedian() {
    assertThat(STEP.demanded(Demand.atMost(1.3)).text())
        .isEqualTo("step, lanes 2: 1.30 times (1.10 to 1.50); demanded at most 1.3: met");
    assertThat(STEP.demanded(Demand.atLeast(2)).text())
        .isEqualTo("step, lanes 2: 1.30 times (1.10 to 1.50); demanded at least 2: missed");
    assertThat(Measurement.of("far", Map.of(), "nats", List.of(3.2e-7)).text())
        .isEqualTo("far: 3.2e-07 nats");
    assertThat(Measurement.of("gained", Map.of(), "handles", List.of(0.0)).text())
        .isEqualTo("gained: 0.0000 handles");
  }

  @Test
  void json_hasTheBoundAndWhetherItIsKept() throws JsonProcessingException {
    JsonNode missed = json(STEP.share("peak", 0.5).demanded(Demand.atLeast(1.6)));
    assertThat(missed.get("median").asDouble()).isEqualTo(1.3);
    assertThat(missed.get("shares").get("peak").asDouble()).isEqualTo(0.5);
    assertThat(missed.get("demand").toString()).isEqualTo("{\"atLeast\":1.6,\"met\":false}");
    assertThat(json(STEP.demanded(Demand.atMost(1.6))).get("demand").toString())
        .isEqualTo("{\"atMost\":1.6,\"met\":true}");
    assertThat(json(STEP).has("demand")).isFalse();
  }

  private static JsonNode json(Measurement measurement) throws JsonProcessingException {
    return new ObjectMapper().readTree(measurement.json());
  }
}
