package dev.troupe.engine;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.AdapterConfig;
import dev.troupe.models.peft.Bitfit;
import dev.troupe.models.peft.Ia3;
import dev.troupe.models.peft.LnTuning;
import dev.troupe.models.peft.Loha;
import dev.troupe.models.peft.Lokr;
import dev.troupe.models.peft.LoraOptions;
import dev.troupe.models.peft.LoraOptions.Bias;
import dev.troupe.models.peft.LoraOptions.Initial;
import dev.troupe.models.peft.ModuleMethod;
import dev.troupe.models.peft.Modules;
import dev.troupe.models.peft.Oft;
import dev.troupe.models.peft.Partial;
import dev.troupe.models.peft.PeftMethod;
import dev.troupe.models.peft.Targets;
import dev.troupe.protocol.data.Tuning;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.TreeMap;

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
            lora.start() == Tuning.Lora.Start.GAUSSIAN ? Initial.GAUSSIAN : Initial.KAIMING);
    requireLayers(options.unknownTargets(model), lora.layers(), "LoRA", model);
    if (options.head(model).isPresent()) {
      throw new EngineException(
          "the key targets, "
              + lora.targets()
              + ", has the output matrix, which is not trained by LoRA here; expected some of "
              + String.join(", ", LoraOptions.targetNames(model)));
    }
    if (options.pairs(model).isEmpty()) {
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

  private static Bias bias(Tuning.Lora.Bias bias) {
    return switch (bias) {
      case NONE -> Bias.NONE;
      case ALL -> Bias.ALL;
      case LORA_ONLY -> Bias.LORA_ONLY;
    };
  }

  /** What is trained stands beside a base that roles share. */
  static void refuseAdaptedHead(Adapter adapter, ModelConfig config, Path model, Path directory) {
    if (adapter.adaptsHead(config)) {
      throw new EngineException(
          "the adapter "
              + directory
              + " brings a LoRA on the output matrix (target_modules: lm_head), which cannot be trained"
              + " further: roles share one base. Merge it into a model first: troupe export "
              + model
              + " --adapter "
              + directory
              + " --output MERGED");
    }
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
