package dev.troupe.launcher;

import dev.troupe.engine.RoleEngine;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.tokenizer.ChatTemplate;
import dev.troupe.models.tokenizer.ChatTurn;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.models.tokenizer.TokenizerFiles;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.Tuning;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/** A checkpoint directory on the hybrid engine. */
final class OpenedModel implements OneModel {
  private final Tokenizer tokenizer;
  private final ModelConfig config;
  private final RoleEngine.Factory engines;
  private final RoleEngine engine;

  private OpenedModel(
      Tokenizer tokenizer, ModelConfig config, RoleEngine.Factory engines, RoleEngine engine) {
    this.tokenizer = tokenizer;
    this.config = config;
    this.engines = engines;
    this.engine = engine;
  }

  static OneModel open(
      RoleEngine.Factory engines,
      Path model,
      Optional<Path> adapter,
      double temperature,
      Numerics numerics) {
    ModelConfig config = ModelConfig.read(model);
    Tokenizer tokenizer = Tokenizer.load(model, TokenizerFiles.chatTemplate(adapter));
    try {
      tokenizer.checkFits(config.vocabSize());
      RoleEngine engine =
          engines.open(
              new RoleSpec(
                  "policy",
                  model.toString(),
                  adapter.map(Path::toString),
                  new Tuning.Frozen(),
                  Head.LANGUAGE_MODEL,
                  Optional.empty(),
                  temperature,
                  Optional.empty(),
                  0,
                  numerics));
      return new OpenedModel(tokenizer, config, engines, engine);
    } catch (RuntimeException e) {
      tokenizer.close();
      throw e;
    }
  }

  @Override
  public TokenIds encode(String text) {
    return new TokenIds(tokenizer.encodeDocument(text));
  }

  @Override
  public TokenIds encodeMarked(String text) {
    return new TokenIds(tokenizer.encodeMarkedDocument(text));
  }

  @Override
  public TokenIds encode(List<ChatMessage> dialogue) {
    ChatTemplate template =
        tokenizer
            .chatTemplate()
            .orElseThrow(() -> new CheckpointException("the model has no chat template"));
    List<ChatTurn> turns =
        dialogue.stream().map(message -> new ChatTurn(message.role(), message.content())).toList();
    return new TokenIds(tokenizer.encodeRendered(template.render(turns, true)));
  }

  @Override
  public boolean hasChatTemplate() {
    return tokenizer.chatTemplate().isPresent();
  }

  @Override
  public int contextLength() {
    return config.maxPositionEmbeddings();
  }

  @Override
  public Rollout generate(TokenIds prompt, SamplingSettings settings, Consumer<String> onText) {
    return engine.stream(new Prompt("0", "", prompt), settings, onText);
  }

  @Override
  public Floats logprobs(TokenIds tokens) {
    return engine
        .evaluate(List.of(Sequence.ofTargets(tokens, 1)), Set.of(Output.LOGPROBS))
        .get(0)
        .logprobs();
  }

  @Override
  public void close() {
    engine.close();
    engines.close();
    tokenizer.close();
  }
}
