package dev.troupe.models.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.Decoder.Positions;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/**
 * Configurations drawn at random by make_configs.py, keys absent, null, in both places and
 * contradicting: what is read of each is what transformers 5.24 builds of it. One that transformers
 * refuses is refused here, but for the kinds in {@link #ACCEPTED}; one that it accepts may be
 * refused here for the reasons in {@link #REFUSED} alone.
 */
final class ConfigTableTest {
  /** Of frequencies and amplitudes, relative: transformers computes them in float. */
  private static final double TOLERANCE = 2e-6;

  /** What transformers 5 stumbles over although the meaning is plain, and version 4 ran. */
  private static final List<String> ACCEPTED =
      List.of(
          // Ministral without head_dim; GPT-NeoX with a head_dim of null.
          "'NoneType' and 'float'",
          // Dynamic scaling where two numbers turn, which is none within the context.
          "division by zero",
          // No layer is local, and sliding_window is null.
          "Could not find a `sliding_window` argument",
          // Phi-3's oldest name for longrope, and its count of factors where head_dim is given.
          "Missing required keys in `rope_parameters` for 'rope_type'='longrope'",
          "Class validation error for validator 'validate_rope'");

  /** Of a kind of layer that the drawn model has not. */
  private static final List<String> REFUSED = List.of("beside rope_type");

  private record Row(ObjectNode config, JsonNode expected) {}

  private static List<Row> rows() throws IOException {
    JsonNode table =
        new ObjectMapper().readTree(Files.readString(Golden.path("config_table.json")));
    List<Row> rows = new ArrayList<>();
    table.forEach(row -> rows.add(new Row((ObjectNode) row.get("config"), row.get("expected"))));
    return rows;
  }

  @Test
  void everyDrawnConfiguration_meansWhatItMeansToTransformers() throws IOException {
    Map<String, Integer> counts = new TreeMap<>();
    List<String> wrong = new ArrayList<>();
    for (Row row : rows()) {
      String family = row.config.get("model_type").asText();
      String outcome = outcome(row, wrong);
      counts.merge(family + ": " + outcome, 1, Integer::sum);
      counts.merge("all: " + outcome, 1, Integer::sum);
    }
    counts.forEach((outcome, count) -> System.out.println(outcome + " " + count));
    assertThat(wrong).isEmpty();
    assertThat(counts.get("all: equal")).isGreaterThan(300);
  }

  private static String outcome(Row row, List<String> wrong) {
    String refused = row.expected.path("refused").asText("");
    ModelConfig found;
    try {
      found = ModelConfig.parse(row.config, "config");
    } catch (CheckpointException e) {
      if (refused.isEmpty() && REFUSED.stream().noneMatch(e.getMessage()::contains)) {
        wrong.add("refused here alone: " + e.getMessage() + "\n  " + row.config);
      }
      return refused.isEmpty() ? "refused here alone, by name" : "refused by both";
    }
    if (!refused.isEmpty()) {
      if (ACCEPTED.stream().noneMatch(refused::contains)) {
        wrong.add("accepted here alone: " + refused + "\n  " + row.config);
      }
      return "accepted here alone";
    }
    List<String> differences = differences(found, row.expected);
    if (!differences.isEmpty()) {
      wrong.add(differences + "\n  " + row.config);
    }
    return "equal";
  }

  private static List<String> differences(ModelConfig found, JsonNode expected) {
    List<String> differences = new ArrayList<>();
    Decoder decoder = found.decoder();
    compare(differences, "layers", found.layers(), expected);
    compare(differences, "heads", found.heads(), expected);
    compare(differences, "hidden", found.hiddenSize(), expected);
    compare(differences, "kv", found.kvHeads(), expected);
    compare(differences, "eps", found.normEps(), expected);
    compare(differences, "cap", decoder.finalSoftcap(), expected);
    compare(differences, "parameters", (double) parameters(found), expected);
    if (expected.has("scalar")) {
      double scalar = 1 / Math.pow(decoder.attention().scale(), 2);
      compare(differences, "scalar", Math.rint(scalar), expected);
    }
    if (found.tiedEmbeddings() != expected.get("tied").asBoolean()) {
      differences.add("tied " + found.tiedEmbeddings());
    }
    List<Integer> windows = new ArrayList<>();
    for (int layer = 0; layer < found.layers(); layer++) {
      List<Boolean> local = decoder.attention().local();
      boolean windowed = !local.isEmpty() && local.get(layer);
      windows.add(windowed ? decoder.attention().window() : 0);
    }
    if (!windows.toString().equals(expected.get("windows").toString().replace(",", ", "))) {
      differences.add("windows " + windows + ", expected " + expected.get("windows"));
    }
    if (decoder.positions() instanceof Positions.Rotary rotary) {
      double[] far = found.rotaryFrequencies();
      double amplitude = rotary.scaling().amplitude();
      rope(differences, "rope", far, rotary.dims(), amplitude, expected);
      rope(differences, "rope_full", far, rotary.dims(), amplitude, expected);
      rotary
          .local()
          .ifPresent(
              local ->
                  rope(
                      differences,
                      "rope_sliding",
                      found.localRotaryFrequencies(),
                      rotary.dims(),
                      local.scaling().amplitude(),
                      expected));
    }
    return differences;
  }

  private static long parameters(ModelConfig config) {
    return config.tensors().values().stream().mapToLong(Shape::elements).sum();
  }

  private static void compare(
      List<String> differences, String key, double found, JsonNode expected) {
    // A cap that is null is none.
    double wanted = expected.path(key).isNull() ? 0 : expected.path(key).asDouble(found);
    if (found != wanted) {
      differences.add(key + " " + found + ", expected " + wanted);
    }
  }

  private static void rope(
      List<String> differences,
      String key,
      double[] frequencies,
      int dims,
      double amplitude,
      JsonNode expected) {
    if (!expected.has(key)) {
      return;
    }
    JsonNode wanted = expected.get(key);
    boolean same = wanted.size() == dims / 2 + 1 && near(amplitude, wanted.get(dims / 2));
    for (int i = 0; same && i < dims / 2; i++) {
      same = near(frequencies[i], wanted.get(i));
    }
    if (!same) {
      differences.add(
          key + " " + Arrays.toString(frequencies) + " × " + amplitude + ", expected " + wanted);
    }
  }

  private static boolean near(double found, JsonNode wanted) {
    return Math.abs(found - wanted.asDouble()) <= TOLERANCE * Math.abs(wanted.asDouble());
  }
}
