package dev.troupe.actors.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class PlainJsonTest {
  private record Figures(
      double loss,
      float small,
      Optional<Double> absent,
      Optional<Double> notFinite,
      List<Double> list,
      Map<String, Double> map) {}

  @Test
  void whatWasNotMeasured_orIsNotFinite_isNull() throws Exception {
    Figures figures =
        new Figures(
            Double.NaN,
            Float.POSITIVE_INFINITY,
            Optional.empty(),
            Optional.of(Double.NEGATIVE_INFINITY),
            List.of(0.5, Double.NaN),
            Map.of("score", Double.NaN));
    assertThat(new ObjectMapper().writeValueAsString(PlainJson.of(figures)))
        .isEqualTo(
            "{\"loss\":null,\"small\":null,\"absent\":null,\"notFinite\":null,"
                + "\"list\":[0.5,null],\"map\":{\"score\":null}}");
  }
}
