package dev.troupe.actors.pipeline;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.tokenizer.ChatDialogue;
import dev.troupe.models.tokenizer.ChatTemplate;
import dev.troupe.models.tokenizer.ChatTurn;
import dev.troupe.models.tokenizer.TextTooLongException;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Conversation;
import dev.troupe.rlhf.port.Text;
import dev.troupe.rlhf.port.TextException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Function;

/** The tokenizer and chat template of a checkpoint directory. */
public final class ModelText implements Text, AutoCloseable {
  private final Tokenizer tokenizer;
  private final ModelConfig config;

  private ModelText(Tokenizer tokenizer, ModelConfig config) {
    this.tokenizer = tokenizer;
    this.config = config;
  }

  /** With the model's own chat template. */
  public static ModelText load(Path directory) {
    return load(directory, Optional.empty());
  }

  /**
   * Also checks that the tokenizer fits the model's embedding.
   *
   * @param chatTemplate a file that stands for the model's own; absent for that
   * @throws PipelineException when there is no such file
   */
  public static ModelText load(Path directory, Optional<String> chatTemplate) {
    chatTemplate
        .filter(file -> !Files.isRegularFile(Path.of(file)))
        .ifPresent(
            file -> {
              throw new PipelineException(
                  "data.chat-template is "
                      + file
                      + ", which is no file; name one with a Jinja template, or null for the"
                      + " model's own");
            });
    ModelConfig config = ModelConfig.read(directory);
    Tokenizer tokenizer = Tokenizer.load(directory, chatTemplate.map(Path::of));
    tokenizer.checkFits(config.vocabSize());
    return new ModelText(tokenizer, config);
  }

  /**
   * Checks that a second model means the same tokens by the same numbers.
   *
   * @param key that names it, for the message
   * @throws PipelineException when it has another tokenizer
   */
  public static void requireSameTokens(String key, Path model, Path second) {
    StartPoints.sameTokens(key, model, second);
  }

  @Override
  public TokenIds encode(String text) {
    return tokens(tokenizer::encode, text);
  }

  @Override
  public TokenIds encodeRendered(String text) {
    return tokens(tokenizer::encodeRendered, text);
  }

  private static TokenIds tokens(Function<String, int[]> encoder, String text) {
    try {
      return new TokenIds(encoder.apply(text));
    } catch (TextTooLongException e) {
      throw new TextException(e.getMessage(), e);
    }
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
  public String render(Conversation conversation, boolean addGenerationPrompt) {
    return template().render(dialogue(conversation), addGenerationPrompt);
  }

  @Override
  public List<Part> renderParts(Conversation conversation) {
    return template().renderParts(dialogue(conversation)).stream()
        .map(part -> new Part(part.text(), part.assistant(), part.message()))
        .toList();
  }

  private static ChatDialogue dialogue(Conversation conversation) {
    return new ChatDialogue(
        conversation.messages().stream()
            .map(m -> new ChatTurn(m.role(), m.content(), m.fields()))
            .toList(),
        conversation.variables());
  }

  private ChatTemplate template() {
    return tokenizer
        .chatTemplate()
        .orElseThrow(
            () ->
                new IllegalStateException(
                    "the model has no chat template; use plain prompts, or add chat_template"
                        + " to its tokenizer_config.json"));
  }

  @Override
  public OptionalInt beginOfSequence() {
    return tokenizer.addsBos() ? tokenizer.bos() : OptionalInt.empty();
  }

  /** Where the tokenizer's files name none, as GPT-2's do not, the model's. */
  @Override
  public int endOfSequence() {
    return tokenizer.endOfText().isEmpty() && !config.eosTokenIds().isEmpty()
        ? config.eosTokenIds().get(0)
        : tokenizer.eos();
  }

  /** Those at which the engine ends a response. */
  @Override
  public Set<Integer> endTokens() {
    Set<Integer> all = new HashSet<>(config.eosTokenIds());
    tokenizer.endOfText().ifPresent(all::add);
    all.add(endOfSequence());
    return Set.copyOf(all);
  }

  @Override
  public String chatTemplate() {
    return template().source();
  }

  @Override
  public String chatTemplateName() {
    return "the chat template in " + template().where();
  }

  @Override
  public int contextLength() {
    return config.maxPositionEmbeddings();
  }

  @Override
  public int steadyContext() {
    return config.steadyContext();
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
