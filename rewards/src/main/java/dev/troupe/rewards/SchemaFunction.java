package dev.troupe.rewards;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaException;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SchemaValidatorsConfig;
import com.networknt.schema.SpecVersion;
import com.networknt.schema.SpecVersionDetector;
import com.networknt.schema.regex.RegularExpression;
import dev.troupe.rlhf.port.RewardFunction;
import dev.troupe.rlhf.port.Sample;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.ScorerException;
import dev.troupe.rlhf.reward.BoundedText;
import dev.troupe.rlhf.reward.RewardConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * 1 for an answer that is JSON and that a schema allows. An answer on which a pattern of the schema
 * backtracks too long, or that nests too deep, has no verdict.
 */
record SchemaFunction(String name, JsonSchema schema, RewardConfig.JsonSchema.Part part)
    implements RewardFunction {
  private static final JsonMapper JSON =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private static final SchemaValidatorsConfig CONFIG =
      SchemaValidatorsConfig.builder().regularExpressionFactory(SchemaFunction::bounded).build();

  /** No pattern of a schema holds up the run. */
  private static RegularExpression bounded(String expression) {
    Pattern pattern = Pattern.compile(expression);
    return text ->
        BoundedText.search(pattern, text, Matcher::find)
            .orElseThrow(() -> new BacktracksTooLong(expression, text.length()));
  }

  private static final class BacktracksTooLong extends RuntimeException {
    private static final long serialVersionUID = 1;

    BacktracksTooLong(String expression, int length) {
      super(
          "the expression " + expression + ", on a text of " + length + " characters",
          null,
          false,
          false);
    }
  }

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
      JsonSchema schema = JsonSchemaFactory.getInstance(draft).getSchema(tree, CONFIG);
      schema.initializeValidators();
      schema.validate(JSON.nullNode());
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
    } catch (StackOverflowError e) {
      throw new ScorerException(
          name
              + ": "
              + file
              + " is no JSON Schema that can be used: it refers to itself ($ref) without end",
          e);
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
    try {
      return Score.of(text.filter(this::allows).isPresent());
    } catch (BacktracksTooLong e) {
      return new Score.Unscored("a pattern backtracks too long", e.getMessage());
    } catch (StackOverflowError e) {
      return new Score.Unscored(
          "the answer nests too deep",
          "for the schema, with an answer of " + sample.response().length() + " characters");
    }
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
