package dev.troupe.engine;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.LoraOptions;
import dev.troupe.models.peft.LoraOptions.Bias;
import dev.troupe.models.peft.LoraOptions.Initial;
import dev.troupe.models.peft.Modules;
import dev.troupe.protocol.data.Tuning;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;

/** What a configuration asks of an adapter, held against the model that it is for. */
final class AdapterChoices {
  private AdapterChoices() {}

  /**
   * @throws EngineException when the model has no such layers, or a choice cannot be honoured
   */
  static LoraOptions options(Tuning.Lora lora, ModelConfig model) {
    try {
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
      List<String> unknown = options.unknownTargets(model);
      if (!unknown.isEmpty()) {
        throw new EngineException(
            "no linear layer '"
                + unknown.get(0)
                + "' to adapt by LoRA in this "
                + model.architecture()
                + "; it has "
                + String.join(", ", LoraOptions.targetNames(model))
                + ": name those in the key targets, or all-linear");
      }
      for (int layer : lora.layers()) {
        if (layer >= model.layers()) {
          throw new EngineException(
              "no decoder layer "
                  + layer
                  + " to adapt by LoRA; the model has "
                  + model.layers()
                  + ", counted from 0 (key layers)");
        }
      }
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
    } catch (IllegalArgumentException e) {
      throw new EngineException("LoRA cannot be as configured: " + e.getMessage(), e);
    }
  }

  private static Bias bias(Tuning.Lora.Bias bias) {
    return switch (bias) {
      case NONE -> Bias.NONE;
      case ALL -> Bias.ALL;
      case LORA_ONLY -> Bias.LORA_ONLY;
    };
  }

  /** What is trained stands beside a base that roles share. */
  static void refuseOutsideLayers(Adapter adapter, ModelConfig config, Path model, Path directory) {
    if (adapter.isOutsideLayers(config)) {
      String what =
          adapter.config().saved().isEmpty()
              ? "a LoRA on the output matrix (target_modules: lm_head)"
              : "modules of its own in place of the base's (modules_to_save: "
                  + String.join(", ", adapter.config().saved())
                  + ")";
      throw new EngineException(
          "the adapter "
              + directory
              + " brings "
              + what
              + ", which cannot be trained further: roles share one base. Merge it into a model first: troupe export "
              + model
              + " --adapter "
              + directory
              + " --output MERGED");
    }
  }

  private static Modules modules(List<String> targets) {
    if (targets.size() == 1 && targets.get(0).equals(Tuning.Lora.ALL_LINEAR)) {
      return new Modules.AllLinear();
    }
    if (targets.size() == 1 && targets.get(0).startsWith(Tuning.Lora.REGEX)) {
      return new Modules.Pattern(targets.get(0).substring(Tuning.Lora.REGEX.length()));
    }
    return new Modules.Names(targets);
  }

  /** Whether two choices have the same parameters, and they mean the same. */
  static boolean same(LoraOptions one, LoraOptions other, ModelConfig model) {
    return one.dora() == other.dora()
        && one.pairs(model).equals(other.pairs(model))
        && one.trainedBiases(model).equals(other.trainedBiases(model));
  }

  /** For people. */
  static String shown(LoraOptions lora) {
    StringBuilder text =
        new StringBuilder("rank " + lora.rank() + ", alpha " + lora.alpha() + " on ");
    if (lora.targets() instanceof Modules.Names list) {
      text.append(list.names());
    } else if (lora.targets() instanceof Modules.Pattern pattern) {
      text.append("regex:").append(pattern.regex());
    } else {
      text.append(Tuning.Lora.ALL_LINEAR);
    }
    lora.excluded().ifPresent(out -> text.append(" without some"));
    if (!lora.layers().isEmpty()) {
      text.append(" of layers ").append(lora.layers());
    }
    if (lora.rankStabilised()) {
      text.append(", rank-stabilised");
    }
    if (!lora.rankPattern().isEmpty()) {
      text.append(", ranks ").append(lora.rankPattern());
    }
    if (!lora.alphaPattern().isEmpty()) {
      text.append(", alphas ").append(lora.alphaPattern());
    }
    if (lora.bias() != Bias.NONE) {
      text.append(", bias ").append(lora.bias().key());
    }
    return text.append(lora.dora() ? ", DoRA" : "").toString();
  }
}
