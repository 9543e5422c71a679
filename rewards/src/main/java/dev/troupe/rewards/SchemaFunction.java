package dev.troupe.rewards;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaException;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import com.networknt.schema.SpecVersionDetector;
import dev.troupe.rlhf.port.RewardFunction;
import dev.troupe.rlhf.port.Sample;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.ScorerException;
import dev.troupe.rlhf.reward.RewardConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** 1 for an answer that is JSON and that a schema allows. */
record SchemaFunction(String name, JsonSchema schema, RewardConfig.JsonSchema.Part part)
    implements RewardFunction {
  private static final JsonMapper JSON =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  /**
   * Reads a schema, of the draft that it names or 2020-12.
   *
   * @throws ScorerException when it cannot be read
   */
  static SchemaFunction of(String name, String file, RewardConfig.JsonSchema.Part part) {
    try {
      JsonNode tree = JSON.readTree(Files.readString(Path.of(file)));
      if (tree == null || !(tree.isObject() || tree.isBoolean())) {
        throw new ScorerException(name + ": " + file + " is no JSON Schema: it is no object");
      }
      SpecVersion.VersionFlag draft =
          SpecVersionDetector.detectOptionalVersion(tree, false)
              .orElse(SpecVersion.VersionFlag.V202012);
      JsonSchema schema = JsonSchemaFactory.getInstance(draft).getSchema(tree);
      schema.initializeValidators();
      return new SchemaFunction(name, schema, part);
    } catch (JsonProcessingException e) {
      throw new ScorerException(
          name
              + ": "
              + file
              + " is not valid JSON, line "
              + e.getLocation().getLineNr()
              + ": "
              + e.getOriginalMessage(),
          e);
    } catch (IOException e) {
      throw new ScorerException(name + ": the schema " + file + " cannot be read: " + e, e);
    } catch (JsonSchemaException | IllegalArgumentException e) {
      throw new ScorerException(
          name + ": " + file + " is no JSON Schema that can be used: " + e.getMessage(), e);
    }
  }

  @Override
  public List<Score> score(List<Sample> samples) {
    return samples.stream().map(this::score).toList();
  }

  private Score score(Sample sample) {
    Optional<String> text =
        switch (part) {
          case WHOLE -> Optional.of(sample.response());
          case LAST_BLOCK -> Blocks.last(sample.response());
        };
    return Score.of(text.filter(this::allows).isPresent());
  }

  private boolean allows(String text) {
    try {
      JsonNode tree = JSON.readTree(text);
      return tree != null && !tree.isMissingNode() && schema.validate(tree).isEmpty();
    } catch (JsonProcessingException e) {
      return false;
    }
  }
}
