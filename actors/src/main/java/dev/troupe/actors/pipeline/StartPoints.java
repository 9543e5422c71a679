package dev.troupe.actors.pipeline;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.engine.HybridEngines;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.peft.Adapter;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.rlhf.recipe.ModelStart;
import dev.troupe.rlhf.recipe.TuningConfig;
import dev.troupe.rlhf.stage.ConfiguredStage;
import dev.troupe.rlhf.stage.Part;
import dev.troupe.rlhf.stage.RoleUse;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What a run's first stages start from: the base, or what {@code start} names, an adapter on the
 * base or a model of its own.
 */
final class StartPoints {
  private static final String CONFIG = "config.json";
  private static final String TOKENIZER = "tokenizer.json";
  private static final String POLICY = "start.policy";
  private static final String REWARD = "start.reward";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final PipelineConfig config;

  StartPoints(PipelineConfig config) {
    this.config = config;
  }

  /** Of the first stage that trains a policy. */
  ModelStart policy() {
    return of(config.start().policy());
  }

  /** Of the reward model. */
  ModelStart reward() {
    return of(config.start().reward());
  }

  private ModelStart of(Optional<String> named) {
    String base = config.model().orElse("");
    return named
        .map(
            directory ->
                Adapter.isIn(Path.of(directory))
                    ? new ModelStart(base, named)
                    : new ModelStart(directory, Optional.empty()))
        .orElseGet(() -> new ModelStart(base, Optional.empty()));
  }

  /**
   * Whether the stages can start from the policy that is named.
   *
   * @throws RuntimeException that tells the user what, where and how to mend it
   */
  void checkPolicy(WeightReading weights) {
    if (config.start().policy().isPresent()) {
      check(POLICY, Path.of(config.start().policy().get()));
      firstPolicyTuning()
          .ifPresent(
              tuning -> check("policy", policy(), tuning.tuning(), Head.LANGUAGE_MODEL, weights));
    }
  }

  /** The same of the reward model that is named. */
  void checkReward(WeightReading weights) {
    if (config.start().reward().isEmpty()) {
      return;
    }
    check(REWARD, Path.of(config.start().reward().get()));
    for (ConfiguredStage<?> stage : config.run()) {
      stage.roles().stream()
          .filter(role -> role.from() == Part.REWARD_MODEL)
          .forEach(role -> check(role.name(), reward(), tuning(role), role.head(), weights));
      if (stage.gives() == Part.REWARD_MODEL) {
        return;
      }
    }
  }

  private static Tuning tuning(RoleUse role) {
    return role.training().map(each -> each.tuning().tuning()).orElse(new Tuning.Frozen());
  }

  private Optional<TuningConfig> firstPolicyTuning() {
    return config.run().stream()
        .filter(stage -> stage.gives() == Part.POLICY)
        .findFirst()
        .flatMap(ConfiguredStage::tuning);
  }

  private static void check(
      String role, ModelStart start, Tuning tuning, Head head, WeightReading weights) {
    HybridEngines.check(
        new RoleSpec(
            role,
            start.model(),
            start.adapter(),
            tuning,
            head,
            Optional.empty(),
            1,
            Optional.empty(),
            0));
    weights.check(Path.of(start.model()), head == Head.VALUE);
  }

  private void check(String key, Path directory) {
    if (!Files.isDirectory(directory)) {
      throw new PipelineException(
          key
              + " is "
              + directory
              + (Files.exists(directory) ? ", which is a file" : ", which does not exist")
              + "; name the directory of an adapter or of a model");
    }
    if (Adapter.isIn(directory)) {
      return;
    }
    if (!Files.exists(directory.resolve(CONFIG))) {
      throw new PipelineException(
          key
              + " is "
              + directory
              + ", which holds neither an adapter (adapter_config.json) nor a model (config.json)"
              + (RunDirectory.isOne(directory)
                  ? ": it is a run's directory; name what a stage left in it, for example "
                      + directory.resolve(key.equals(REWARD) ? "reward" : "sft")
                  : ""));
    }
    if (key.equals(POLICY) && Files.exists(directory.resolve("value_head.safetensors"))) {
      throw new PipelineException(
          key + " is " + directory + ", which is a reward model: it holds value_head.safetensors");
    }
    config.model().ifPresent(base -> sameTokens(key, Path.of(base), directory));
  }

  /** Roles tell each other tokens by number: the numbers must mean the same. */
  static void sameTokens(String key, Path base, Path directory) {
    Path own = base.resolve(TOKENIZER);
    Path other = directory.resolve(TOKENIZER);
    if (!Files.exists(own) || !Files.exists(other)) {
      return;
    }
    Map<String, Integer> theirs = tokens(other);
    for (Map.Entry<String, Integer> token : tokens(own).entrySet()) {
      Integer number = theirs.get(token.getKey());
      if (!token.getValue().equals(number)) {
        throw new PipelineException(
            key
                + " is "
                + directory
                + ", which has another tokenizer than the model "
                + base
                + ": the token '"
                + token.getKey()
                + "' is number "
                + token.getValue()
                + " there and "
                + (number == null ? "missing here" : "number " + number + " here")
                + ". Name one that was made from the same model");
      }
    }
  }

  /** Numbers of a {@code tokenizer.json}. */
  private static Map<String, Integer> tokens(Path file) {
    Map<String, Integer> tokens = new LinkedHashMap<>();
    try {
      JsonNode json = JSON.readTree(file.toFile());
      JsonNode vocabulary = json.path("model").path("vocab");
      if (vocabulary.isArray()) {
        for (int i = 0; i < vocabulary.size(); i++) {
          tokens.put(vocabulary.get(i).path(0).asText(), i);
        }
      } else {
        vocabulary.properties().forEach(each -> tokens.put(each.getKey(), each.getValue().asInt()));
      }
      for (JsonNode added : json.path("added_tokens")) {
        tokens.put(added.path("content").asText(), added.path("id").asInt());
      }
      return tokens;
    } catch (JsonProcessingException e) {
      throw new PipelineException(file + " cannot be read " + JsonFile.fault(e), e);
    } catch (IOException e) {
      throw new PipelineException("cannot read " + file + ": " + e, e);
    }
  }

  /**
   * Whether roles can be made of the further models that stages name, and mean the same by a token.
   */
  void checkFurther(WeightReading weights) {
    for (ConfiguredStage<?> stage : config.run()) {
      stage
          .models()
          .forEach(
              (key, further) -> {
                check(key + ".model", Path.of(further.model()));
                further.adapter().ifPresent(adapter -> check(key + ".adapter", Path.of(adapter)));
                check(key, further, new Tuning.Frozen(), Head.LANGUAGE_MODEL, weights);
              });
    }
  }

  /** Directories whose files the result depends on. */
  static List<Path> inputs(PipelineConfig config) {
    Stream<Optional<String>> named = Stream.of(config.start().policy(), config.start().reward());
    Stream<Optional<String>> further =
        config.run().stream()
            .flatMap(stage -> stage.models().values().stream())
            .flatMap(model -> Stream.of(Optional.of(model.model()), model.adapter()));
    return Stream.concat(named, further).flatMap(Optional::stream).map(Path::of).toList();
  }
}
