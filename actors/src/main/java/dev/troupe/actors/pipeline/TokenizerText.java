package dev.troupe.actors.pipeline;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.tokenizer.ChatTemplate;
import dev.troupe.models.tokenizer.ChatTurn;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Text;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;

/** The port's text, done by a checkpoint's tokenizer. */
final class TokenizerText implements Text, AutoCloseable {
  private final Tokenizer tokenizer;
  private final ModelConfig config;

  private TokenizerText(Tokenizer tokenizer, ModelConfig config) {
    this.tokenizer = tokenizer;
    this.config = config;
  }

  static TokenizerText of(Path model) {
    ModelConfig config = ModelConfig.read(model.resolve("config.json"));
    Tokenizer tokenizer = Tokenizer.load(model);
    tokenizer.checkFits(config.vocabSize());
    return new TokenizerText(tokenizer, config);
  }

  @Override
  public TokenIds encode(String text) {
    return new TokenIds(tokenizer.encode(text));
  }

  @Override
  public TokenIds encodeRendered(String text) {
    return new TokenIds(tokenizer.encodeRendered(text));
  }

  @Override
  public String decode(TokenIds tokens) {
    return tokenizer.decode(tokens.values());
  }

  @Override
  public List<String> pieces(TokenIds tokens) {
    return tokenizer.pieces(tokens.values());
  }

  @Override
  public boolean hasChatTemplate() {
    return tokenizer.chatTemplate().isPresent();
  }

  @Override
  public String render(List<ChatMessage> messages, boolean addGenerationPrompt) {
    ChatTemplate template =
        tokenizer
            .chatTemplate()
            .orElseThrow(() -> new IllegalStateException("the model has no chat template"));
    return template.render(
        messages.stream().map(it -> new ChatTurn(it.role(), it.content())).toList(),
        addGenerationPrompt);
  }

  @Override
  public OptionalInt beginOfSequence() {
    return tokenizer.addsBos() ? tokenizer.bos() : OptionalInt.empty();
  }

  @Override
  public int endOfSequence() {
    return tokenizer.eos();
  }

  @Override
  public int contextLength() {
    return config.maxPositionEmbeddings();
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
