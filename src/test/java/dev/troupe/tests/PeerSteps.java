package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.engine.RoleEngine;
import dev.troupe.models.checkpoint.SafetensorsFile;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.data.UpdateResult;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Training steps that a Python peer took (src/test/resources/parity), for the real engine to
 * repeat: the same model, data order and hyper-parameters.
 */
final class PeerSteps {
  private static final Path GOLDEN = Quickstarts.ROOT.resolve("src/test/resources/parity");
  private static final double LOSSES = 1e-5;

  /** Of a final weight. */
  static final double WEIGHTS = 1e-5;

  private static final List<String> LINEARS =
      List.of("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj");

  private PeerSteps() {}

  static <E extends Example> double repeat(
      RoleEngine engine,
      Objective<E> objective,
      JsonNode golden,
      JsonNode steps,
      Function<JsonNode, E> example) {
    return repeat(
        engine,
        batch -> objective,
        golden,
        steps,
        batch -> batch.valueStream().map(example).toList(),
        result -> {});
  }

  /**
   * Every step's loss, gradient norm and learning rate; the largest difference of the losses.
   *
   * @param objective of a step's batch, made before its update
   */
  static <E extends Example> double repeat(
      RoleEngine engine,
      Function<JsonNode, Objective<E>> objective,
      JsonNode golden,
      JsonNode steps,
      Function<JsonNode, List<E>> examples,
      Consumer<UpdateResult> listener) {
    double worst = 0;
    assertThat(steps).isNotEmpty();
    for (int step = 0; step < steps.size(); step++) {
      JsonNode batch = golden.path("batches").get(step);
      UpdateResult result = engine.update(objective.apply(batch), examples.apply(batch));
      JsonNode expected = steps.get(step);
      double loss = expected.path("loss").asDouble();
      double norm = expected.path("gradientNorm").asDouble();
      assertThat(result.loss()).as("loss of step " + step).isEqualTo(loss, within(LOSSES));
      assertThat(result.gradientNorm())
          .as("gradient norm of step " + step)
          .isEqualTo(norm, within(1e-3 * Math.max(1, norm)));
      assertThat(result.learningRate())
          .isEqualTo(expected.path("learningRate").asDouble(), within(1e-12));
      worst = Math.max(worst, Math.abs(result.loss() - loss));
      listener.accept(result);
    }
    return worst;
  }

  static void assertSameWeights(
      Path directory, String name, RoleEngine engine, String expected, double losses)
      throws IOException {
    assertSameWeights(directory, name, engine, expected, losses, WEIGHTS);
  }

  static void assertSameWeights(
      Path directory, String name, RoleEngine engine, String expected, double losses, double limit)
      throws IOException {
    Path saved = directory.resolve(name.replace(' ', '-'));
    engine.save(saved);
    assertSameWeights(saved, name, expected, losses, limit);
  }

  /**
   * Of what was saved; prints the largest differences, which docs/parity.md lists. AdamW divides by
   * a gradient's size: where a clip leaves a weight next to none, the last bit of a float shows,
   * and processors differ in it. So with a limit above {@link #WEIGHTS} one number in 10,000, and
   * no more, may be beyond it, by ten times at most.
   */
  static void assertSameWeights(
      Path saved, String name, String expected, double losses, double limit) throws IOException {
    Path peers = GOLDEN.resolve(expected);
    String file =
        peers.resolve("adapter_model.safetensors").toFile().exists()
            ? "adapter_model.safetensors"
            : "model.safetensors";
    double worst = 0;
    long count = 0;
    List<String> beyond = new ArrayList<>();
    double most = limit > WEIGHTS ? 10 * limit : limit;
    try (SafetensorsFile ours = SafetensorsFile.open(saved.resolve(file));
        SafetensorsFile theirs = SafetensorsFile.open(peers.resolve(file))) {
      assertThat(ours.names()).containsExactlyInAnyOrderElementsOf(theirs.names());
      for (String tensor : theirs.names()) {
        float[] a = ours.floats(tensor);
        float[] b = theirs.floats(tensor);
        assertThat(a).as(tensor).hasSameSizeAs(b);
        for (int i = 0; i < a.length; i++) {
          assertThat(a[i]).as(tensor + " " + i).isEqualTo(b[i], within((float) most));
          double difference = Math.abs(a[i] - b[i]);
          if (difference > limit) {
            beyond.add(tensor + " " + i + ": " + difference);
          }
          worst = Math.max(worst, difference);
          count++;
        }
      }
    }
    assertThat(beyond).hasSizeLessThanOrEqualTo((int) Math.max(1, count / 10_000));
    System.out.printf(
        Locale.ROOT, "parity %s: losses %.1e, final weights %.1e%n", name, losses, worst);
  }

  static RoleSpec lora(String adapter, Head head, int warmup, int steps) {
    return spec(
        Optional.of(GOLDEN.resolve(adapter).toString()),
        new Tuning.Lora(4, 8, LINEARS),
        head,
        warmup,
        steps);
  }

  static RoleSpec spec(Optional<String> adapter, Tuning tuning, Head head, int warmup, int steps) {
    return spec(GOLDEN.resolve("model"), adapter, tuning, head, warmup, steps);
  }

  static RoleSpec spec(
      Path model, Optional<String> adapter, Tuning tuning, Head head, int warmup, int steps) {
    return new RoleSpec(
        "policy",
        model.toString(),
        adapter,
        tuning,
        head,
        Optional.of(
            new OptimizerSettings(
                new LearningRateSchedule(LearningRateSchedule.Shape.COSINE, 1e-2, warmup, steps),
                0.9,
                0.999,
                1e-8,
                0.01,
                1,
                0)),
        1,
        Optional.empty(),
        0);
  }

  static Sequence sequence(JsonNode example) {
    return Sequence.ofTargets(tokens(example.path("tokens")), example.path("prompt").asInt());
  }

  /** The answer of one side of a pair. */
  static Sequence side(JsonNode pair, String side) {
    return Sequence.ofTargets(tokens(pair.path(side)), pair.path("prompt").asInt());
  }

  static TokenIds tokens(JsonNode array) {
    return new TokenIds(array.valueStream().mapToInt(JsonNode::asInt).toArray());
  }

  static Floats floats(JsonNode rollout, String key) {
    JsonNode array = rollout.path(key);
    float[] values = new float[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = array.get(i).floatValue();
    }
    return new Floats(values);
  }

  static JsonNode golden(String name) throws IOException {
    return new ObjectMapper().readTree(GOLDEN.resolve(name).resolve("steps.json").toFile());
  }
}
