package dev.troupe.launcher.bench;

import dev.troupe.engine.generation.FlipReport;
import dev.troupe.engine.generation.Generator;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Storage;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;

/**
 * A model with an adapter that has moved, so that merging changes the weights; ready to generate.
 */
final class OpenGenerator implements AutoCloseable {
  private static final long CACHE_BYTES = 4L << 30;

  /** How far each parameter has moved, about as LoRA's do. */
  private static final double MOVED = 0.01;

  private final BaseModel base;
  private final Tokenizer tokenizer;
  private final Lanes lanes;
  private final ParameterLayout layout;
  private final Handle parameters;
  private final Generator generator;

  /** Adapted on every linear layer. */
  OpenGenerator(Path model, Storage format, Lanes lanes) {
    this(model, format, lanes, EnumSet.allOf(AdaptedLinear.class));
  }

  OpenGenerator(Path model, Storage format, Lanes lanes, Set<AdaptedLinear> targets) {
    this(model, format, Numerics.Kernels.AUTO, Numerics.Cache.AUTO, lanes, targets);
  }

  /** Adapted on every linear layer, by the operators of one side. */
  OpenGenerator(
      Path model, Storage format, Numerics.Kernels kernels, Numerics.Cache cache, Lanes lanes) {
    this(model, format, kernels, cache, lanes, EnumSet.allOf(AdaptedLinear.class));
  }

  private OpenGenerator(
      Path model,
      Storage format,
      Numerics.Kernels kernels,
      Numerics.Cache cache,
      Lanes lanes,
      Set<AdaptedLinear> targets) {
    this.lanes = lanes;
    base =
        BaseModel.load(
            model,
            Storage.FP32,
            format.isOfBaseAlone()
                ? Optional.of(new Quantisation(format, 64, true))
                : Optional.empty());
    tokenizer = Tokenizer.load(model);
    layout = ParameterLayout.lora(base.config(), 8, 16, targets, false);
    float[] values = layout.initial(1);
    Random random = new Random(1);
    for (int i = 0; i < values.length; i++) {
      values[i] += (float) (MOVED * random.nextGaussian());
    }
    parameters = Handle.of(values, layout.size());
    generator =
        new Generator(
            base,
            tokenizer,
            layout,
            lanes,
            new Generator.Options(format, CACHE_BYTES, true).by(kernels).caching(cache));
  }

  ModelConfig config() {
    return base.config();
  }

  FlipReport flip(long version) {
    return generator.flip(parameters, version);
  }

  void release() {
    generator.release();
  }

  List<Rollout> generate(long version, List<Prompt> prompts, SamplingSettings settings) {
    return generate(version, prompts, 1, settings);
  }

  List<Rollout> generate(
      long version, List<Prompt> prompts, int answers, SamplingSettings settings) {
    return generator.generate(version, prompts, answers, settings);
  }

  /** Its kernels alone, on the same weights. */
  GenerationKernels kernels(GenerationKernels.Products products) {
    return new GenerationKernels(base, layout, parameters, products, lanes);
  }

  @Override
  public void close() {
    generator.close();
    parameters.close();
    tokenizer.close();
    base.close();
  }
}
