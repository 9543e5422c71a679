package dev.troupe.models.tokenizer;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.gguf.GgufFile;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * The tokenizer of a Hugging Face directory: {@code tokenizer.json}, {@code tokenizer_config.json},
 * {@code special_tokens_map.json} and the chat template.
 *
 * <p>Two ways in, on purpose. {@link #encode} is for text from a user or a data file: a special
 * token spelled out in it stays ordinary text, so that nobody can end a turn or speak as the system
 * by typing a marker. {@link #encodeRendered} is for text that the chat template made, in which the
 * markers are meant.
 *
 * <p>Safe for several threads at once.
 */
public final class Tokenizer implements AutoCloseable {
  private static final String CONVERT =
      " let transformers write the fast tokenizer:"
          + " AutoTokenizer.from_pretrained(directory).save_pretrained(directory).";

  /** Whose ids may take a noticeable part of a small heap. */
  private static final int LONG_TEXT = 100_000;

  private static final String REPLACEMENT = "\ufffd";
  private static final List<String> FILES =
      List.of(
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "chat_template.jinja");

  /** What is open, each once for all who use it: the largest vocabularies take half a gigabyte. */
  private static final Map<Source, Loaded> OPEN = new HashMap<>();

  /** The files as they were when they were read. */
  private record Source(Path directory, List<FileState> files) {
    record FileState(Path file, FileTime modified, long size) {}

    static Source of(Path directory) {
      List<FileState> files = new ArrayList<>();
      try {
        Path real = directory.toRealPath();
        for (Path file :
            ModelConfig.isGguf(directory)
                ? List.of(real)
                : FILES.stream().map(real::resolve).filter(Files::exists).toList()) {
          files.add(new FileState(file, Files.getLastModifiedTime(file), Files.size(file)));
        }
        return new Source(real, files);
      } catch (IOException e) {
        // Loading says what is wrong.
        return new Source(directory, files);
      }
    }
  }

  private static final class Loaded {
    final HuggingFaceTokenizer rendered;
    final HuggingFaceTokenizer user;
    final Vocabulary vocabulary;
    final Map<String, Integer> specials;
    final Map<String, String> contents;
    final Optional<ChatTemplate> chatTemplate;
    final TextBound bound;
    int users;

    Loaded(
        HuggingFaceTokenizer rendered,
        HuggingFaceTokenizer user,
        Vocabulary vocabulary,
        Map<String, Integer> specials,
        Map<String, String> contents,
        Optional<ChatTemplate> chatTemplate,
        TextBound bound) {
      this.bound = bound;
      this.contents = contents;
      this.rendered = rendered;
      this.user = user;
      this.vocabulary = vocabulary;
      this.specials = specials;
      this.chatTemplate = chatTemplate;
    }
  }

  private final Path directory;
  private final Source source;
  private final Loaded loaded;
  private final HuggingFaceTokenizer rendered;
  private final HuggingFaceTokenizer user;
  private final Vocabulary vocabulary;
  private final Pattern guarded;
  private final Map<String, Integer> specials;
  private final Optional<ChatTemplate> chatTemplate;
  private boolean closed;

  private Tokenizer(
      Path directory, Source source, Loaded loaded, Optional<ChatTemplate> chatTemplate) {
    this.directory = directory;
    this.source = source;
    this.loaded = loaded;
    rendered = loaded.rendered;
    user = loaded.user;
    vocabulary = loaded.vocabulary;
    guarded = Pattern.compile(ChatTemplate.GUARD + "(?:" + vocabulary.spelledOut() + ")");
    specials = loaded.specials;
    this.chatTemplate = chatTemplate;
  }

  /**
   * Loads the tokenizer's files; where they are open already and have not changed, that one is
   * shared until the last who uses it has closed it.
   *
   * @throws CheckpointException when they are missing, malformed or name tokens that do not exist
   */
  public static Tokenizer load(Path directory) {
    return load(directory, Optional.empty());
  }

  /**
   * The same with a chat template of another file.
   *
   * @param chatTemplate Jinja source; absent for the model's own
   */
  public static Tokenizer load(Path directory, Optional<Path> chatTemplate) {
    synchronized (OPEN) {
      Source source = Source.of(directory);
      Loaded loaded = OPEN.get(source);
      if (loaded == null) {
        loaded = read(directory);
        OPEN.put(source, loaded);
      }
      Map<String, String> contents = loaded.contents;
      Pattern spelledOut = loaded.vocabulary.spelledOut();
      Optional<ChatTemplate> other =
          chatTemplate.map(file -> chatTemplate(file, contents, spelledOut));
      loaded.users++;
      return new Tokenizer(
          directory, source, loaded, other.isPresent() ? other : loaded.chatTemplate);
    }
  }

  private static Loaded read(Path directory) {
    if (ModelConfig.isGguf(directory)) {
      try (GgufFile file = GgufFile.open(directory)) {
        return read(directory, directory, GgufTokenizer.json(file), GgufTokenizer.config(file));
      }
    }
    Path file = directory.resolve("tokenizer.json");
    if (!Files.exists(file)) {
      throw new CheckpointException(
          directory
              + " has no tokenizer.json."
              + (Files.exists(directory.resolve("tokenizer.model"))
                  ? " tokenizer.model alone is not read;" + CONVERT
                  : Files.exists(directory.resolve("vocab.json"))
                      ? " vocab.json and merges.txt alone are not read;" + CONVERT
                      : " Copy it from the model that the weights come from."));
    }
    return read(
        directory, file, JsonFile.read(file), optional(directory.resolve("tokenizer_config.json")));
  }

  private static Loaded read(Path directory, Path file, ObjectNode json, ObjectNode config) {
    ObjectNode map = optional(directory.resolve("special_tokens_map.json"));
    Map<String, String> contents = new LinkedHashMap<>();
    for (String key : List.of("bos_token", "eos_token", "pad_token", "unk_token")) {
      JsonNode token = config.hasNonNull(key) ? config.get(key) : map.path(key);
      String content = token.isObject() ? token.path("content").asText() : token.asText("");
      if (!content.isEmpty() && !content.equals("null")) {
        contents.put(key, content);
      }
    }
    Vocabulary vocabulary = Vocabulary.of(json, Set.copyOf(contents.values()), file.toString());
    Map<String, Integer> specials = new LinkedHashMap<>();
    contents.forEach(
        (key, content) -> {
          Integer id = vocabulary.id(content);
          if (id == null) {
            throw new CheckpointException(
                directory
                    + ": "
                    + key
                    + " is '"
                    + content
                    + "', which is not a token of tokenizer.json.");
          }
          specials.put(key, id);
        });
    TextBound bound = SoundTokenizer.bound(json, file.toString());
    // What a file says of cutting and padding is for other uses; here every text is encoded whole.
    json.putNull("truncation");
    json.putNull("padding");
    HuggingFaceTokenizer rendered = open(json, file);
    HuggingFaceTokenizer user = open(vocabulary.withoutSpecials(json), file);
    return new Loaded(
        rendered,
        user,
        vocabulary,
        specials,
        Map.copyOf(contents),
        chatTemplate(directory, config, contents, vocabulary.spelledOut()),
        bound);
  }

  private static ObjectNode optional(Path file) {
    return Files.exists(file) ? JsonFile.read(file) : JsonFile.object();
  }

  private static HuggingFaceTokenizer open(ObjectNode json, Path file) {
    // DJL reports its use to its makers unless told not to.
    if (System.getProperty("OPT_OUT_TRACKING") == null) {
      System.setProperty("OPT_OUT_TRACKING", "true");
    }
    try {
      return HuggingFaceTokenizer.newInstance(
          new ByteArrayInputStream(json.toString().getBytes(StandardCharsets.UTF_8)),
          Map.of("truncation", "false", "padding", "false", "addSpecialTokens", "false"));
    } catch (IOException | RuntimeException e) {
      throw new CheckpointException(
          file
              + " is not a tokenizer that can be loaded: "
              // What is quoted there is of the file, which may not be the user's.
              + String.valueOf(e.getMessage()).replaceAll("\"(\\\\.|[^\"\\\\])*\"", "\"…\""),
          e);
    }
  }

  private static ChatTemplate chatTemplate(
      Path file, Map<String, String> specialTokens, Pattern spelledOut) {
    return new ChatTemplate(
        TokenizerFiles.readChatTemplate(file), file.toString(), specialTokens, spelledOut);
  }

  private static Optional<ChatTemplate> chatTemplate(
      Path directory, ObjectNode config, Map<String, String> specialTokens, Pattern spelledOut) {
    Path file = directory.resolve("chat_template.jinja");
    if (Files.exists(file)) {
      return Optional.of(chatTemplate(file, specialTokens, spelledOut));
    }
    JsonNode template = config.path("chat_template");
    String where = directory.resolve("tokenizer_config.json") + " (chat_template)";
    if (template.isTextual()) {
      return Optional.of(new ChatTemplate(template.asText(), where, specialTokens, spelledOut));
    }
    for (JsonNode named : template) {
      if (named.path("name").asText().equals("default")) {
        return Optional.of(
            new ChatTemplate(named.path("template").asText(), where, specialTokens, spelledOut));
      }
    }
    return Optional.empty();
  }

  /**
   * The tokens of a text in which special tokens mean nothing.
   *
   * @return their ids, without any that the tokenizer would put around the text
   */
  public int[] encode(String userText) {
    return ids(user, userText, false);
  }

  /**
   * A token of a text and where it lies in it.
   *
   * @param begin first letter, counted in Unicode code points as {@code tokenizers} does
   * @param end behind the last
   */
  public record Placed(int id, int begin, int end) {}

  /** As {@link #encode}, with the place of each token. */
  public List<Placed> place(String userText) {
    checkLength(userText);
    Encoding encoding = user.encode(userText, false, false);
    long[] ids = encoding.getIds();
    CharSpan[] spans = encoding.getCharTokenSpans();
    List<Placed> placed = new ArrayList<>();
    for (int i = 0; i < ids.length; i++) {
      placed.add(new Placed(Math.toIntExact(ids[i]), spans[i].getStart(), spans[i].getEnd()));
    }
    return placed;
  }

  /**
   * As {@link #encode}, with what the tokenizer puts around a whole document, for example a
   * beginning-of-sequence token: what {@code tokenizer(text, split_special_tokens=True)} gives in
   * {@code transformers}.
   */
  public int[] encodeDocument(String userText) {
    return ids(user, userText, true);
  }

  /**
   * As {@link #encodeDocument}, for a text from someone who may spell out special tokens and means
   * them: what {@code tokenizer(text)} gives in {@code transformers}.
   */
  public int[] encodeMarkedDocument(String text) {
    return ids(rendered, text, true);
  }

  /**
   * The tokens of a text that the chat template made: its markers become special tokens, and those
   * that a message spelled out, which {@link ChatTemplate#render} marked, stay text.
   */
  public int[] encodeRendered(String renderedText) {
    if (!guarded.matcher(renderedText).find()) {
      return ids(rendered, renderedText, false);
    }
    return encodeConcealed(renderedText).orElseGet(() -> encodeApart(renderedText));
  }

  /**
   * All of it at once by the tokenizer for user text, to which the template's markers are given by
   * the names that they have there. Empty when it does not find every one of them.
   */
  private Optional<int[]> encodeConcealed(String renderedText) {
    StringBuilder text = new StringBuilder();
    List<Integer> markers = new ArrayList<>();
    Matcher special = vocabulary.spelledOut().matcher(renderedText);
    int at = 0;
    while (special.find()) {
      int guard = special.start() - ChatTemplate.GUARD.length();
      boolean said = guard >= 0 && renderedText.startsWith(ChatTemplate.GUARD, guard);
      text.append(renderedText, at, said ? guard : special.start());
      text.append(said ? special.group() : Vocabulary.concealed(special.group()));
      if (!said && !isKnown(special.group())) {
        return Optional.empty();
      }
      if (!said) {
        markers.add(vocabulary.id(special.group()));
      }
      at = special.end();
    }
    text.append(renderedText, at, renderedText.length());
    int[] ids = ids(user, text.toString(), false);
    // A letter that the model does not know is an unknown token, and no marker.
    int unknown = special("unk_token").orElse(-1);
    List<Integer> found =
        Arrays.stream(ids).filter(id -> id != unknown && vocabulary.isSpecial(id)).boxed().toList();
    return found.equals(markers) ? Optional.of(ids) : Optional.empty();
  }

  private boolean isKnown(String special) {
    int[] ids = ids(user, Vocabulary.concealed(special), false);
    return ids.length == 1 && Integer.valueOf(ids[0]).equals(vocabulary.id(special));
  }

  private int[] encodeApart(String renderedText) {
    IntStream.Builder ids = IntStream.builder();
    int at = 0;
    Matcher marked = guarded.matcher(renderedText);
    while (marked.find()) {
      add(ids, rendered, renderedText.substring(at, marked.start()));
      add(ids, user, marked.group().substring(ChatTemplate.GUARD.length()));
      at = marked.end();
    }
    add(ids, rendered, renderedText.substring(at));
    return ids.build().toArray();
  }

  private void add(IntStream.Builder ids, HuggingFaceTokenizer tokenizer, String text) {
    for (int id : ids(tokenizer, text, false)) {
      ids.add(id);
    }
  }

  /**
   * The one way to the library's encoding: of all that it could tell of each token, its id alone.
   *
   * @throws TextTooLongException before the library ends the process over the text
   */
  private int[] ids(HuggingFaceTokenizer tokenizer, String text, boolean document) {
    checkLength(text);
    long encoding = 0;
    try {
      encoding = TokenizersLibrary.LIB.encode(tokenizer.getHandle(), text, document);
      return ints(TokenizersLibrary.LIB.getTokenIds(encoding));
    } catch (RuntimeException e) {
      throw new CheckpointException(
          directory + ": the tokenizer cannot encode a text: " + e.getMessage(), e);
    } finally {
      if (encoding != 0) {
        TokenizersLibrary.LIB.deleteEncoding(encoding);
      }
    }
  }

  private void checkLength(String text) {
    loaded.bound.check(text, directory);
    if (text.length() > LONG_TEXT) {
      makeRoom(2 * text.length());
    }
  }

  /**
   * The library ends the process when there is no heap for the ids; here it is an error.
   *
   * @throws OutOfMemoryError when there is none
   */
  @SuppressWarnings("ReachabilityFenceUsage") // nothing is to be kept, only the allocation
  private static void makeRoom(int longs) {
    Reference.reachabilityFence(new long[longs]);
  }

  /**
   * The text of the tokens, special tokens left out. The bytes of letters are text also where the
   * file calls them special, over which {@code transformers} loses the letters.
   */
  public String decode(int[] tokens) {
    int[] text = Arrays.stream(tokens).filter(token -> !vocabulary.isMarker(token)).toArray();
    return rendered.decode(longs(text, 0, text.length), false);
  }

  /**
   * What each token adds to the text, special tokens spelled out; together they are the whole text.
   * Where a letter takes several tokens, it stands at the last of them and the others are empty.
   */
  public List<String> pieces(int[] tokens) {
    List<String> pieces = new ArrayList<>();
    // Decoding starts one finished token earlier, so that a decoder that treats the first token
    // differently is not fooled.
    int start = 0;
    int shown = 0;
    for (int end = 1; end <= tokens.length; end++) {
      String before = rendered.decode(longs(tokens, start, shown), false);
      String now = rendered.decode(longs(tokens, start, end), false);
      boolean unfinished = now.endsWith(REPLACEMENT) && end < tokens.length;
      if (unfinished || now.length() < before.length()) {
        pieces.add("");
      } else {
        pieces.add(now.substring(before.length()));
        start = shown;
        shown = end;
      }
    }
    return pieces;
  }

  /** The token that starts a text, if the tokenizer has one. */
  public OptionalInt bos() {
    return special("bos_token");
  }

  /**
   * The token that ends a text.
   *
   * @throws CheckpointException when the tokenizer has none
   */
  public int eos() {
    return special("eos_token")
        .orElseThrow(
            () ->
                new CheckpointException(
                    directory
                        + ": the tokenizer has no end-of-text token; set eos_token in tokenizer_config.json."));
  }

  /** As {@link #eos()}, if the tokenizer has one. */
  public OptionalInt endOfText() {
    return special("eos_token");
  }

  /** The token that fills up, if the tokenizer has one. */
  public OptionalInt pad() {
    return special("pad_token");
  }

  /** Whether {@link #encodeDocument} starts with {@link #bos()}. */
  public boolean addsBos() {
    int[] empty = encodeDocument("");
    return bos().isPresent() && empty.length > 0 && empty[0] == bos().getAsInt();
  }

  /** The id of a token by its content, for example {@code <|im_end|>}. */
  public OptionalInt id(String token) {
    Integer id = vocabulary.id(token);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /** One more than the largest id. */
  public int vocabSize() {
    return vocabulary.size();
  }

  public Optional<ChatTemplate> chatTemplate() {
    return chatTemplate;
  }

  /**
   * Checks that every id has a row in the model's embedding.
   *
   * @throws CheckpointException when the tokenizer is of another model
   */
  public void checkFits(int embeddingRows) {
    if (vocabulary.size() > embeddingRows) {
      throw new CheckpointException(
          directory.resolve("tokenizer.json")
              + " does not fit the model: its ids go up to "
              + (vocabulary.size() - 1)
              + " ('"
              + vocabulary.last()
              + "'), but the embedding has "
              + embeddingRows
              + " rows (vocab_size in config.json). Take the tokenizer that the weights came with.");
    }
  }

  private OptionalInt special(String key) {
    Integer id = specials.get(key);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  private static int[] ints(long[] ids) {
    return Arrays.stream(ids).mapToInt(Math::toIntExact).toArray();
  }

  private static long[] longs(int[] tokens, int begin, int end) {
    return Arrays.stream(tokens, begin, end).asLongStream().toArray();
  }

  @Override
  public void close() {
    synchronized (OPEN) {
      if (!closed) {
        closed = true;
        loaded.users--;
        if (loaded.users == 0) {
          OPEN.remove(source);
          rendered.close();
          user.close();
        }
      }
    }
  }
}
