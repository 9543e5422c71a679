package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * A factor for each output of a linear layer, or for each input of one of {@code feedforward} (Liu
 * et al., arXiv:2205.05638): y = l ⊙ (W x + b), or W (l ⊙ x) + b. Starts as 1.
 *
 * @param targets the layers
 * @param feedforward those whose inputs are scaled, by the ends of their names or as a whole
 */
public record Ia3(Targets targets, Modules feedforward) implements ModuleMethod {
  static final String TYPE = "IA3";

  private static final String NAME = ".ia3_l";

  /**
   * Of keys, values and the layer that closes the MLP, whose inputs are scaled, as in the paper;
   * where a family has queries, keys and values in one, of that.
   */
  public static Ia3 usual(ModelConfig model) {
    List<LinearModule> all = LinearModule.of(model);
    boolean apart = all.stream().anyMatch(module -> module.place() == AdaptedLinear.K_PROJ);
    return new Ia3(
        new Targets(
            new Modules.Names(
                names(
                    all,
                    apart
                        ? EnumSet.of(
                            AdaptedLinear.K_PROJ, AdaptedLinear.V_PROJ, AdaptedLinear.DOWN_PROJ)
                        : EnumSet.of(AdaptedLinear.Q_PROJ, AdaptedLinear.DOWN_PROJ)))),
        new Modules.Names(names(all, EnumSet.of(AdaptedLinear.DOWN_PROJ))));
  }

  /** What the names of layers in some places end with: of GPT-2, mlp.c_proj is not attn.c_proj. */
  private static List<String> names(List<LinearModule> all, Set<AdaptedLinear> places) {
    return all.stream()
        .filter(module -> places.contains(module.place()))
        .map(module -> end(module.name()))
        .distinct()
        .toList();
  }

  private static String end(String name) {
    int last = name.lastIndexOf('.');
    int before = name.lastIndexOf('.', last - 1);
    // Of a family without such parts it is the number of the decoder layer.
    return name.substring(Character.isDigit(name.charAt(before + 1)) ? last + 1 : before + 1);
  }

  @Override
  public String type() {
    return TYPE;
  }

  @Override
  public boolean takesTransposed() {
    return true;
  }

  /** As PEFT has it: the end of a name, which need not begin behind a dot. */
  private boolean scalesInputs(LinearModule module) {
    return feedforward instanceof Modules.Names list
        ? list.names().stream().anyMatch(module.name()::endsWith)
        : feedforward.contains(module.name());
  }

  @Override
  public List<ModuleTensor> tensors(LinearModule module) {
    boolean inputs = scalesInputs(module);
    return List.of(
        new ModuleTensor(
            NAME,
            inputs ? Shape.of(1, module.inputs()) : Shape.of(module.outputs(), 1),
            !inputs,
            ModuleTensor.constant(1)));
  }

  /** 1 where inputs are scaled. */
  @Override
  public double setting(LinearModule module) {
    return scalesInputs(module) ? 1 : 0;
  }

  @Override
  public Map<String, WeightChange> changes(
      LinearModule module, List<float[]> values, boolean bias) {
    float[] factors = values.get(0);
    boolean inputs = scalesInputs(module);
    // Which of the two dimensions, as stored, the factors belong to.
    boolean byRow = inputs == module.transposed();
    int columns = module.transposed() ? module.outputs() : module.inputs();
    WeightChange scale =
        weight ->
            IntStream.range(0, weight.length / columns)
                .parallel()
                .forEach(
                    row -> {
                      for (int i = 0; i < columns; i++) {
                        weight[row * columns + i] *= factors[byRow ? row : i];
                      }
                    });
    WeightChange scaleBias =
        weight -> {
          for (int i = 0; i < weight.length; i++) {
            weight[i] *= factors[i];
          }
        };
    return inputs || !bias
        ? Map.of(module.name() + ".weight", scale)
        : Map.of(module.name() + ".weight", scale, module.nameOfBias(), scaleBias);
  }

  @Override
  public String describe() {
    return "IA3 on " + targets.describe() + ", inputs of " + feedforward.describe();
  }
}
