package dev.troupe.engine;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.peft.AdaLora;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.AdapterConfig;
import dev.troupe.models.peft.Bitfit;
import dev.troupe.models.peft.Boft;
import dev.troupe.models.peft.Ia3;
import dev.troupe.models.peft.LnTuning;
import dev.troupe.models.peft.Loha;
import dev.troupe.models.peft.Lokr;
import dev.troupe.models.peft.LoraOptions;
import dev.troupe.models.peft.LoraOptions.Bias;
import dev.troupe.models.peft.LoraStart;
import dev.troupe.models.peft.ModuleMethod;
import dev.troupe.models.peft.Modules;
import dev.troupe.models.peft.Oft;
import dev.troupe.models.peft.PTuning;
import dev.troupe.models.peft.Partial;
import dev.troupe.models.peft.PeftMethod;
import dev.troupe.models.peft.PrefixTuning;
import dev.troupe.models.peft.PromptTuning;
import dev.troupe.models.peft.Targets;
import dev.troupe.models.peft.Vera;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Tuning;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;

/** What a configuration asks of an adapter, held against the model that it is for. */
final class AdapterChoices {
  /**
   * A method, and what is trained whole beside it.
   *
   * @param saved modules of the model, by the ends of their names
   */
  record Choice(PeftMethod method, List<String> saved) {
    static Choice of(AdapterConfig config) {
      return new Choice(config.method(), config.saved());
    }

    /** Whether both have the same parameters, and they mean the same. */
    boolean isAs(Choice other, ModelConfig model) {
      return method.isAs(other.method, model) && replaced(model).equals(other.replaced(model));
    }

    private List<String> replaced(ModelConfig model) {
      return new AdapterConfig(method, false, saved, false, "").replaced(model);
    }

    /** For people. */
    String describe() {
      return method.describe() + (saved.isEmpty() ? "" : ", beside it whole " + saved);
    }
  }

  private AdapterChoices() {}

  /**
   * The adapter of a role; none where it has none to train.
   *
   * @throws EngineException when the model has no such layers, or a choice cannot be honoured
   */
  static Optional<Choice> choice(Tuning tuning, ModelConfig model) {
    try {
      Optional<Choice> found = asked(tuning, model);
      found.ifPresent(
          choice ->
              new AdapterConfig(choice.method(), false, choice.saved(), false, "").tensors(model));
      return found;
    } catch (IllegalArgumentException e) {
      throw new EngineException(
          (tuning instanceof Tuning.Lora ? "LoRA" : "the tuning")
              + " cannot be as configured: "
              + e.getMessage(),
          e);
    }
  }

  private static Optional<Choice> asked(Tuning tuning, ModelConfig model) {
    if (tuning instanceof Tuning.Lora lora) {
      return Optional.of(new Choice(lora(lora, model), lora.modulesToSave()));
    } else if (tuning instanceof Tuning.Ia3 ia3) {
      return alone(
          ia3.targets().isEmpty()
              ? Ia3.usual(model)
              : found(
                  new Ia3(targets(ia3.targets(), List.of()), modules(ia3.feedforward())), model));
    } else if (tuning instanceof Tuning.Loha loha) {
      return alone(
          found(
              new Loha(
                  targets(loha.targets(), loha.layers()),
                  loha.rank(),
                  loha.alpha(),
                  new TreeMap<>(loha.rankPattern()),
                  new TreeMap<>(loha.alphaPattern())),
              model));
    } else if (tuning instanceof Tuning.Lokr lokr) {
      return alone(
          found(
              new Lokr(
                  targets(lokr.targets(), lokr.layers()),
                  lokr.rank(),
                  lokr.alpha(),
                  lokr.factor(),
                  lokr.decomposeBoth(),
                  new TreeMap<>(lokr.rankPattern()),
                  new TreeMap<>(lokr.alphaPattern())),
              model));
    } else if (tuning instanceof Tuning.Oft oft) {
      return alone(
          found(
              new Oft(targets(oft.targets(), oft.layers()), 0, oft.blockSize(), oft.terms()),
              model));
    } else if (tuning instanceof Tuning.Vera vera) {
      return alone(
          found(
              new Vera(
                  targets(vera.targets(), vera.layers()),
                  vera.rank(),
                  vera.start(),
                  vera.key(),
                  true),
              model));
    } else if (tuning instanceof Tuning.Boft boft) {
      return alone(
          found(new Boft(targets(boft.targets(), boft.layers()), boft.blockSize(), 0), model));
    } else if (tuning instanceof Tuning.Adalora ranks) {
      return alone(
          found(
              new AdaLora(
                  targets(ranks.targets(), ranks.layers()),
                  ranks.firstRank(),
                  ranks.alpha(),
                  new AdaLora.Budget(
                      ranks.targetRank(),
                      ranks.firstSteps(),
                      ranks.lastSteps(),
                      ranks.everySteps(),
                      ranks.importanceDecay(),
                      ranks.uncertaintyDecay(),
                      ranks.orthogonality(),
                      0),
                  Map.of()),
              model));
    } else if (tuning instanceof Tuning.Prefix prefix) {
      return alone(
          PrefixTuning.of(
              model,
              prefix.tokens(),
              prefix.encoder() == 0 ? OptionalInt.empty() : OptionalInt.of(prefix.encoder()),
              prefix.zero()));
    } else if (tuning instanceof Tuning.Prompt prompt) {
      return alone(
          PromptTuning.of(model, prompt.tokens(), start(prompt.start()), prompt.text(), List.of()));
    } else if (tuning instanceof Tuning.PTuning network) {
      return alone(
          PTuning.of(
              model,
              network.tokens(),
              network.encoder() == 0 ? model.hiddenSize() : network.encoder()));
    } else if (tuning instanceof Tuning.Bitfit) {
      return alone(new Bitfit());
    } else if (tuning instanceof Tuning.LnTuning norms) {
      return alone(
          norms.targets().isEmpty() ? LnTuning.all(model) : new LnTuning(modules(norms.targets())));
    } else if (tuning instanceof Tuning.Partial partial) {
      return alone(new Partial(partial.lastLayers(), partial.pattern()));
    }
    return Optional.empty();
  }

  private static PromptTuning.Start start(Tuning.Prompt.Beginning start) {
    return switch (start) {
      case RANDOM -> PromptTuning.Start.RANDOM;
      case VOCABULARY -> PromptTuning.Start.SAMPLE_VOCAB;
      case TEXT -> PromptTuning.Start.TEXT;
    };
  }

  /**
   * The same, with the tokens that virtual ones are to start as.
   *
   * @param directory of the model, whose tokenizer a text is for
   */
  static Choice withStart(Choice choice, ModelConfig model, Path directory, RoleSpec spec) {
    if (choice.method() instanceof AdaLora ranks) {
      return new Choice(scheduled(ranks, spec), choice.saved());
    }
    if (!(choice.method() instanceof PromptTuning prompt)) {
      return choice;
    }
    int[] tokens =
        switch (prompt.beginning()) {
          case RANDOM -> new int[0];
          case SAMPLE_VOCAB ->
              new SplittableRandom(spec.seed())
                  .ints(prompt.tokens(), 0, model.vocabSize())
                  .toArray();
          case TEXT -> textTokens(prompt.text(), directory);
        };
    List<Integer> start =
        tokens.length == 0
            ? List.of()
            : IntStream.range(0, prompt.tokens()).mapToObj(i -> tokens[i % tokens.length]).toList();
    Choice found =
        new Choice(
            PromptTuning.of(model, prompt.tokens(), prompt.beginning(), prompt.text(), start),
            choice.saved());
    try {
      found.method().tensors(model);
    } catch (IllegalArgumentException e) {
      throw new EngineException("the tuning cannot be as configured: " + e.getMessage(), e);
    }
    return found;
  }

  private static AdaLora scheduled(AdaLora method, RoleSpec spec) {
    AdaLora.Budget budget = method.budget();
    int total = spec.optimizer().map(each -> each.learningRate().totalSteps()).orElse(0);
    if (budget.firstSteps() + budget.lastSteps() >= total) {
      throw new EngineException(
          "AdaLoRA shares out its ranks between its first "
              + budget.firstSteps()
              + " and its last "
              + budget.lastSteps()
              + " steps, and the "
              + spec.name()
              + " is trained for "
              + total
              + "; lower first-steps or last-steps, or train longer");
    }
    if (spec.shard().of() > 1) {
      throw new EngineException(
          "AdaLoRA shares out its ranks by all of the parameters' means, and each replica of the "
              + spec.name()
              + " is to hold a shard of such state; let cluster.sharding be none, or tuning.type lora");
    }
    return method.scheduled(total);
  }

  private static int[] textTokens(String text, Path directory) {
    try (Tokenizer tokenizer = Tokenizer.load(directory)) {
      int[] tokens = tokenizer.encodeMarkedDocument(text);
      if (tokens.length == 0) {
        throw new EngineException(
            "the text that a prompt is to start as, '" + text + "', has no tokens (key text)");
      }
      return tokens;
    }
  }

  private static Optional<Choice> alone(PeftMethod method) {
    return Optional.of(new Choice(method, List.of()));
  }

  private static Targets targets(List<String> names, List<Integer> layers) {
    return new Targets(modules(names), Optional.empty(), layers, List.of());
  }

  /** Holds a method's targets against the model. */
  private static ModuleMethod found(ModuleMethod method, ModelConfig model) {
    Targets targets = method.targets();
    requireLayers(
        targets.unknown(model), targets.layers(), method.type().toLowerCase(Locale.ROOT), model);
    if (method.modules(model).isEmpty()) {
      throw new EngineException(
          "the key targets, "
              + targets.modules().describe()
              + ", finds no linear layer in this "
              + model.architecture()
              + "; it has "
              + String.join(", ", LoraOptions.targetNames(model)));
    }
    return method;
  }

  private static void requireLayers(
      List<String> unknown, List<Integer> layers, String method, ModelConfig model) {
    if (!unknown.isEmpty()) {
      throw new EngineException(
          "no linear layer '"
              + unknown.get(0)
              + "' to adapt by "
              + method
              + " in this "
              + model.architecture()
              + "; it has "
              + String.join(", ", LoraOptions.targetNames(model))
              + ": name those in the key targets, or all-linear");
    }
    for (int layer : layers) {
      if (layer >= model.layers()) {
        throw new EngineException(
            "no decoder layer "
                + layer
                + " to adapt by "
                + method
                + "; the model has "
                + model.layers()
                + ", counted from 0 (key layers)");
      }
    }
  }

  private static LoraOptions lora(Tuning.Lora lora, ModelConfig model) {
    LoraOptions options =
        new LoraOptions(
            lora.rank(),
            lora.alpha(),
            modules(lora.targets()),
            Optional.empty(),
            lora.rankStabilised(),
            lora.layers(),
            List.of(),
            new TreeMap<>(lora.rankPattern()),
            new TreeMap<>(lora.alphaPattern()),
            lora.dropout(),
            lora.dora(),
            bias(lora.bias()),
            start(lora),
            new LoraOptions.Beside(lora.biasOfB(), lora.tokens()));
    requireLayers(options.unknownTargets(model), lora.layers(), "LoRA", model);
    if (options.head(model).isPresent() && (lora.dropout() > 0 || lora.dora() || lora.biasOfB())) {
      throw new EngineException(
          "the key targets, "
              + lora.targets()
              + ", has the output matrix, whose pair goes without dropout, dora and bias-of-b");
    }
    if (options.pairs(model).isEmpty()
        && options.head(model).isEmpty()
        && options.embedding(model).isEmpty()) {
      throw new EngineException(
          "the key targets, "
              + lora.targets()
              + ", finds no linear layer to adapt by LoRA in this "
              + model.architecture()
              + "; it has "
              + String.join(", ", LoraOptions.targetNames(model)));
    }
    return options;
  }

  private static LoraStart start(Tuning.Lora lora) {
    return new LoraStart(
        switch (lora.start()) {
          case KAIMING -> LoraStart.Kind.KAIMING;
          case GAUSSIAN -> LoraStart.Kind.GAUSSIAN;
          case ORTHOGONAL -> LoraStart.Kind.ORTHOGONAL;
          case PISSA -> LoraStart.Kind.PISSA;
          case OLORA -> LoraStart.Kind.OLORA;
        },
        lora.startIterations());
  }

  private static Bias bias(Tuning.Lora.Bias bias) {
    return switch (bias) {
      case NONE -> Bias.NONE;
      case ALL -> Bias.ALL;
      case LORA_ONLY -> Bias.LORA_ONLY;
    };
  }

  /**
   * An adapter may bring along the base's matrices under its pairs; what is trained stands beside
   * those of a base that roles share.
   */
  static void requireOwnMatrices(Adapter adapter, BaseModel base, Path model, Path directory) {
    adapter
        .copies(base.config())
        .forEach(
            (name, copy) -> {
              int index = name.equals(base.config().decoder().names().embed() + ".weight") ? 0 : 2;
              float[] own = base.floats(index);
              float[] theirs = copy.floats();
              for (int i = 0; i < own.length; i++) {
                // A base may be held in bfloat16.
                if (!(Math.abs(own[i] - theirs[i]) <= Math.abs(theirs[i]) / 128)) {
                  throw new EngineException(
                      "the adapter "
                          + directory
                          + " brings a '"
                          + name
                          + "' of its own, which is not that of "
                          + model
                          + ", and roles share one base. Merge it into a model first: troupe export "
                          + model
                          + " --adapter "
                          + directory
                          + " --output MERGED");
                }
              }
            });
  }

  private static Modules modules(List<String> targets) {
    if (targets.size() == 1 && targets.get(0).equals(Tuning.ALL_LINEAR)) {
      return new Modules.AllLinear();
    }
    if (targets.size() == 1 && targets.get(0).startsWith(Tuning.REGEX)) {
      return new Modules.Pattern(targets.get(0).substring(Tuning.REGEX.length()));
    }
    return new Modules.Names(targets);
  }
}
