package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ArrayNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class OutputJsonTest {
  @Test
  void whatIsNotFinite_isNull_inEveryShape() throws Exception {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("double", Double.NaN);
    all.put("float", Float.NEGATIVE_INFINITY);
    all.put("doubles", new double[] {1, Double.POSITIVE_INFINITY});
    all.put("floats", new float[] {0.5f, Float.NaN});
    all.put("list", List.of(2.5, Double.NaN));
    ArrayNode tree = OutputJson.mapper().createArrayNode().add(Float.NaN).add(Double.NaN).add(3);
    all.put("tree", tree);
    assertThat(OutputJson.mapper().writeValueAsString(all))
        .isEqualTo(
            "{\"double\":null,\"float\":null,\"doubles\":[1.0,null],\"floats\":[0.5,null],"
                + "\"list\":[2.5,null],\"tree\":[null,null,3]}");
  }

  /** The rule: no command makes a mapper of its own. */
  @Test
  void commands_haveNoOtherMapper() throws IOException {
    Path sources = Path.of(System.getProperty("troupe.root", ".."), "launcher/src/main/java");
    try (Stream<Path> files = Files.walk(sources)) {
      for (Path file : files.filter(path -> path.toString().endsWith(".java")).toList()) {
        if (!file.endsWith("OutputJson.java")) {
          assertThat(Files.readString(file))
              .as(file.toString())
              .doesNotContain("new ObjectMapper(")
              .doesNotContain("JsonMapper.builder(");
        }
      }
    }
  }
}
