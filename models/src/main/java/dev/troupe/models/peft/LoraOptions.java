package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorData;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What a LoRA adapts and how (Hu et al., arXiv:2106.09685), with the choices that PEFT has.
 *
 * @param rank inner width of every pair that no pattern gives another, at least 1
 * @param alpha numerator of the scale, but for patterns; as in PEFT, 0 switches the adapter off
 * @param targets the linear layers that have a pair
 * @param excluded of these
 * @param rankStabilised whether the scale is alpha / sqrt(rank) (Kalajdzievski, arXiv:2312.03732),
 *     not alpha / rank
 * @param layers the only decoder layers adapted; empty for all
 * @param layersPattern what the list of decoder layers is called, for {@code layers}; empty for any
 * @param rankPattern ranks by a regular expression on the end of a name; the first that matches
 * @param alphaPattern alphas likewise
 * @param dropout share of a pair's inputs that training drops
 * @param dora whether each row's length is a parameter of its own (Liu et al., arXiv:2402.09353)
 * @param bias which biases are trained as well
 * @param initial how A and B start
 * @param beside what else is trained with the pairs
 */
public record LoraOptions(
    int rank,
    double alpha,
    Modules targets,
    Optional<Modules> excluded,
    boolean rankStabilised,
    List<Integer> layers,
    List<String> layersPattern,
    Map<String, Integer> rankPattern,
    Map<String, Double> alphaPattern,
    double dropout,
    boolean dora,
    Bias bias,
    LoraStart initial,
    Beside beside)
    implements PeftMethod {
  static final String TYPE = "LORA";

  /** Which biases an adapter brings along. */
  public enum Bias {
    NONE,
    /** Every one of the model. */
    ALL,
    /** Those of the linear layers that have a pair. */
    LORA_ONLY;

    public String key() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * What else is trained with the pairs.
   *
   * @param biasOfB whether each B has a bias of its own, which needs one of the base to be added to
   * @param tokens whose rows of the embedding are trained as they are
   */
  public record Beside(boolean biasOfB, List<Integer> tokens) {
    public static final Beside NOTHING = new Beside(false, List.of());

    public Beside {
      tokens = List.copyOf(tokens);
      require(
          tokens.stream().distinct().count() == tokens.size(),
          "trainable_token_indices names a token twice: " + tokens);
    }

    /** Whether there is anything. */
    public boolean isEmpty() {
      return !biasOfB && tokens.isEmpty();
    }
  }

  public LoraOptions {
    require(rank >= 1, "r must be at least 1, found " + rank);
    require(Double.isFinite(alpha), "lora_alpha must be a finite number, found " + alpha);
    require(
        dropout >= 0 && dropout < 1,
        "lora_dropout must be at least 0 and below 1, found " + dropout);
    layers = List.copyOf(layers);
    layersPattern = List.copyOf(layersPattern);
    new Targets(targets, excluded, layers, layersPattern);
    rankPattern = Collections.unmodifiableMap(new LinkedHashMap<>(rankPattern));
    alphaPattern = Collections.unmodifiableMap(new LinkedHashMap<>(alphaPattern));
    rankPattern.forEach(
        (key, value) ->
            require(value >= 1, "rank_pattern '" + key + "' must be at least 1, found " + value));
    alphaPattern.forEach(
        (key, value) ->
            require(
                Double.isFinite(value),
                "alpha_pattern '" + key + "' must be a finite number, found " + value));
    rankPattern.keySet().forEach(NamePattern::ofEnd);
    alphaPattern.keySet().forEach(NamePattern::ofEnd);
    require(
        !initial.isOfBase() || dropout == 0,
        "a start that is taken out of the base ("
            + initial.describe()
            + ") goes without lora_dropout, found "
            + dropout);
    require(!beside.biasOfB() || !dora, "lora_bias goes without use_dora, as in PEFT");
  }

  /** Nothing beside the pairs. */
  public LoraOptions(
      int rank,
      double alpha,
      Modules targets,
      Optional<Modules> excluded,
      boolean rankStabilised,
      List<Integer> layers,
      List<String> layersPattern,
      Map<String, Integer> rankPattern,
      Map<String, Double> alphaPattern,
      double dropout,
      boolean dora,
      Bias bias,
      LoraStart initial) {
    this(
        rank,
        alpha,
        targets,
        excluded,
        rankStabilised,
        layers,
        layersPattern,
        rankPattern,
        alphaPattern,
        dropout,
        dora,
        bias,
        initial,
        Beside.NOTHING);
  }

  /** The same rank on the same linear layers of every decoder layer. */
  public static LoraOptions plain(int rank, double alpha, Modules targets) {
    return new LoraOptions(
        rank,
        alpha,
        targets,
        Optional.empty(),
        false,
        List.of(),
        List.of(),
        Map.of(),
        Map.of(),
        0,
        false,
        Bias.NONE,
        LoraStart.KAIMING);
  }

  /** As above, by a Llama's names. */
  public static LoraOptions plain(int rank, double alpha, Set<AdaptedLinear> targets) {
    return plain(
        rank, alpha, new Modules.Names(targets.stream().sorted().map(AdaptedLinear::key).toList()));
  }

  /**
   * The pairs on a model, in the order of the network; may be none.
   *
   * @throws IllegalArgumentException when a choice cannot be honoured on this model
   */
  public List<LoraPair> pairs(ModelConfig model) {
    List<LinearModule> all = LinearModule.of(model);
    List<LoraPair> pairs = new ArrayList<>();
    for (LinearModule module : all) {
      if (has(module.name())) {
        int ranks = ranks(module.name());
        pairs.add(new LoraPair(module, ranks, scale(module.name(), ranks)));
      }
    }
    return pairs;
  }

  /** The pair on the output matrix, where it is a target. */
  public Optional<HeadPair> head(ModelConfig model) {
    if (targets instanceof Modules.AllLinear) {
      return Optional.empty();
    }
    String own = model.decoder().names().head();
    return Stream.of("lm_head", own)
        .filter(this::has)
        .findFirst()
        .map(
            name -> {
              int ranks = ranks(name);
              return new HeadPair(
                  name,
                  own + ".weight",
                  model.hiddenSize(),
                  model.vocabSize(),
                  ranks,
                  scale(name, ranks));
            });
  }

  /** The pair on the embedding, where it is a target. */
  public Optional<EmbeddingPair> embedding(ModelConfig model) {
    String name = model.decoder().names().embed();
    if (targets instanceof Modules.AllLinear || !has(name)) {
      return Optional.empty();
    }
    require(!dora, "LoRA on the embedding '" + name + "' goes without use_dora here");
    int ranks = ranks(name);
    return Optional.of(
        new EmbeddingPair(name, model.vocabSize(), model.hiddenSize(), ranks, scale(name, ranks)));
  }

  private int ranks(String name) {
    return Targets.first(rankPattern, name).orElse(rank);
  }

  private double scale(String name, int ranks) {
    double numerator = Targets.first(alphaPattern, name).orElse(alpha);
    return numerator / (rankStabilised ? Math.sqrt(ranks) : ranks);
  }

  /**
   * The same function of the base, as a finished adapter has it: where the start is taken out of
   * the base, pairs of twice the rank, whose second half takes it out (PEFT's conversion of PiSSA).
   */
  public LoraOptions converted() {
    if (!initial.isOfBase()) {
      return this;
    }
    double factor = rankStabilised ? Math.sqrt(2) : 2;
    Map<String, Integer> ranks = new LinkedHashMap<>();
    rankPattern.forEach((key, value) -> ranks.put(key, 2 * value));
    Map<String, Double> alphas = new LinkedHashMap<>();
    alphaPattern.forEach((key, value) -> alphas.put(key, factor * value));
    return new LoraOptions(
        2 * rank,
        factor * alpha,
        targets,
        excluded,
        rankStabilised,
        layers,
        layersPattern,
        ranks,
        alphas,
        dropout,
        dora,
        bias,
        LoraStart.KAIMING,
        beside);
  }

  /**
   * The model's biases that are trained as well, by their names in the checkpoint, in the order of
   * the network: for {@link Bias#ALL} those of norms and of layers without a pair too.
   *
   * @throws IllegalArgumentException when a choice cannot be honoured on this model
   */
  public List<String> trainedBiases(ModelConfig model) {
    Set<String> adapted =
        pairs(model).stream()
            .map(pair -> pair.module().nameOfBias())
            .collect(Collectors.toUnmodifiableSet());
    return model.tensors().keySet().stream()
        .filter(
            name ->
                switch (bias) {
                  case NONE -> false;
                  case ALL -> name.endsWith(".bias");
                  case LORA_ONLY -> adapted.contains(name);
                })
        .toList();
  }

  @Override
  public String type() {
    return TYPE;
  }

  @Override
  public List<LinearModule> modules(ModelConfig model) {
    return pairs(model).stream().map(LoraPair::module).toList();
  }

  @Override
  public Map<String, Shape> tensors(ModelConfig model) {
    Map<String, Shape> tensors = new LinkedHashMap<>();
    checkBeside(model);
    for (LoraPair pair : pairs(model)) {
      LinearModule module = pair.module();
      tensors.put(module.nameOfA(), Shape.of(pair.rank(), module.inputs()));
      tensors.put(module.nameOfB(), Shape.of(module.outputs(), pair.rank()));
      if (dora) {
        tensors.put(module.nameOfMagnitude(), Shape.of(module.outputs()));
      }
      if (beside.biasOfB()) {
        tensors.put(module.nameOfBiasOfB(), Shape.of(module.outputs()));
      }
    }
    head(model)
        .ifPresent(
            pair -> {
              tensors.put(pair.nameOfA(), Shape.of(pair.rank(), pair.inputs()));
              tensors.put(pair.nameOfB(), Shape.of(pair.outputs(), pair.rank()));
              if (dora) {
                tensors.put(pair.nameOfMagnitude(), Shape.of(pair.outputs()));
              }
              tensors.put(pair.nameOfBase(), Shape.of(pair.outputs(), pair.inputs()));
            });
    embedding(model)
        .ifPresent(
            pair -> {
              tensors.put(pair.nameOfA(), Shape.of(pair.rank(), pair.tokens()));
              tensors.put(pair.nameOfB(), Shape.of(pair.width(), pair.rank()));
              tensors.put(pair.nameOfBase(), Shape.of(pair.tokens(), pair.width()));
            });
    if (!beside.tokens().isEmpty()) {
      tensors.put(nameOfTokens(model), Shape.of(beside.tokens().size(), model.hiddenSize()));
    }
    return tensors;
  }

  /**
   * The biases that are trained as well: in PEFT an adapted layer is a wrapper, and its bias is the
   * wrapped one's.
   */
  @Override
  public Map<String, String> whole(ModelConfig model) {
    Set<String> adapted =
        modules(model).stream().map(LinearModule::name).collect(Collectors.toUnmodifiableSet());
    Map<String, String> names = new LinkedHashMap<>();
    for (String stored : trainedBiases(model)) {
      String module = WholeWeights.module(stored);
      names.put(adapted.contains(module) ? module + ".base_layer.bias" : stored, stored);
    }
    return names;
  }

  @Override
  public Map<String, WeightChange> changes(ModelConfig model, Map<String, TensorData> tensors) {
    Map<String, WeightChange> found = new LinkedHashMap<>();
    for (LoraPair pair : pairs(model)) {
      LinearModule module = pair.module();
      found.put(
          module.name() + ".weight",
          LowRank.of(
              pair,
              initial,
              floats(tensors, module.nameOfA()),
              floats(tensors, module.nameOfB()),
              magnitudes(tensors, module.nameOfMagnitude())));
      if (beside.biasOfB()) {
        float[] added = floats(tensors, module.nameOfBiasOfB());
        found.put(
            module.nameOfBias(),
            values -> {
              for (int i = 0; i < values.length; i++) {
                values[i] = (float) (values[i] + pair.scale() * added[i]);
              }
            });
      }
    }
    found.putAll(changesOfHead(model, tensors));
    embedding(model)
        .ifPresent(
            pair ->
                found.put(
                    pair.stored(),
                    pair.change(floats(tensors, pair.nameOfA()), floats(tensors, pair.nameOfB()))));
    if (!beside.tokens().isEmpty()) {
      float[] rows = floats(tensors, nameOfTokens(model));
      int width = model.hiddenSize();
      found.put(
          model.decoder().names().embed() + ".weight",
          values -> {
            for (int i = 0; i < beside.tokens().size(); i++) {
              System.arraycopy(rows, i * width, values, beside.tokens().get(i) * width, width);
            }
          });
    }
    return found;
  }

  /** The same of the output matrix alone. */
  Map<String, WeightChange> changesOfHead(ModelConfig model, Map<String, TensorData> tensors) {
    return head(model)
        .<Map<String, WeightChange>>map(
            head ->
                Map.of(
                    head.stored(),
                    new LowRank(
                        head.scale(),
                        head.inputs(),
                        head.outputs(),
                        false,
                        new LowRank.Factors(
                            head.rank(),
                            floats(tensors, head.nameOfA()),
                            floats(tensors, head.nameOfB())),
                        magnitudes(tensors, head.nameOfMagnitude()),
                        Optional.empty())))
        .orElse(Map.of());
  }

  private Optional<float[]> magnitudes(Map<String, TensorData> tensors, String name) {
    return dora ? Optional.of(floats(tensors, name)) : Optional.empty();
  }

  private static float[] floats(Map<String, TensorData> tensors, String name) {
    return Objects.requireNonNull(tensors.get(name), name).floats();
  }

  @Override
  public boolean isAs(PeftMethod other, ModelConfig model) {
    return other instanceof LoraOptions lora
        && dora == lora.dora
        && beside.equals(lora.beside)
        && converted().pairs(model).equals(lora.converted().pairs(model))
        && head(model).equals(lora.head(model))
        && embedding(model).equals(lora.embedding(model))
        && trainedBiases(model).equals(lora.trainedBiases(model));
  }

  @Override
  public String describe() {
    StringBuilder text =
        new StringBuilder("rank " + rank + ", alpha " + alpha + " on " + targets.describe());
    excluded.ifPresent(out -> text.append(" without some"));
    if (!layers.isEmpty()) {
      text.append(" of layers ").append(layers);
    }
    if (rankStabilised) {
      text.append(", rank-stabilised");
    }
    if (!rankPattern.isEmpty()) {
      text.append(", ranks ").append(rankPattern);
    }
    if (!alphaPattern.isEmpty()) {
      text.append(", alphas ").append(alphaPattern);
    }
    if (bias != Bias.NONE) {
      text.append(", bias ").append(bias.key());
    }
    if (initial.isOfBase()) {
      text.append(", started from the base by ").append(initial.describe());
    }
    if (beside.biasOfB()) {
      text.append(", biases of B");
    }
    if (!beside.tokens().isEmpty()) {
      text.append(", rows of the tokens ").append(beside.tokens());
    }
    return text.append(dora ? ", DoRA" : "").toString();
  }

  /** Names in {@link #targets} that the model has not; empty when all are found. */
  public List<String> unknownTargets(ModelConfig model) {
    List<String> others =
        Stream.of("lm_head", model.decoder().names().head(), model.decoder().names().embed())
            .toList();
    return places().unknown(model).stream()
        .filter(name -> others.stream().noneMatch(other -> Modules.named(other, name)))
        .toList();
  }

  /** The name of the rows of {@link Beside#tokens}, {@code (tokens, width)}. */
  public static String nameOfTokens(ModelConfig model) {
    return model.decoder().names().embed() + ".token_adapter.trainable_tokens_delta";
  }

  /** The last parts of the names of a model's linear layers: what may be a target. */
  public static List<String> targetNames(ModelConfig model) {
    return LinearModule.of(model).stream()
        .map(module -> module.name().substring(module.name().lastIndexOf('.') + 1))
        .distinct()
        .toList();
  }

  private Targets places() {
    return new Targets(targets, excluded, layers, layersPattern);
  }

  private boolean has(String module) {
    return places().has(module);
  }

  private void checkBeside(ModelConfig model) {
    for (LoraPair pair : beside.biasOfB() ? pairs(model) : List.<LoraPair>of()) {
      require(
          model.tensors().containsKey(pair.module().nameOfBias()),
          "lora_bias is true, and '"
              + pair.module().name()
              + "' of this "
              + model.architecture()
              + " has no bias that B's could be added to");
    }
    for (int token : beside.tokens()) {
      require(
          token >= 0 && token < model.vocabSize(),
          "trainable_token_indices has the token "
              + token
              + ", and the vocabulary is 0 to "
              + (model.vocabSize() - 1));
    }
    require(
        beside.tokens().isEmpty() || embedding(model).isEmpty(),
        "trainable_token_indices and target_modules both name '"
            + model.decoder().names().embed()
            + "'");
    require(
        beside.tokens().isEmpty() || !model.tiedEmbeddings() || head(model).isEmpty(),
        "trainable_token_indices changes rows of the output matrix too, which in this base is the embedding"
            + " (tie_word_embeddings), and target_modules adapts it by a pair: name one of them alone");
    require(
        !initial.isOfBase() || (head(model).isEmpty() && embedding(model).isEmpty()),
        "the start "
            + initial.describe()
            + " is for linear layers of the decoder; target_modules names the output matrix or the embedding too");
  }

  private static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }
}
