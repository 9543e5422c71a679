package dev.troupe.models.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.peft.Bitfit;
import dev.troupe.models.peft.Ia3;
import dev.troupe.models.peft.LinearModule;
import dev.troupe.models.peft.LnTuning;
import dev.troupe.models.peft.Loha;
import dev.troupe.models.peft.Lokr;
import dev.troupe.models.peft.LoraOptions;
import dev.troupe.models.peft.LoraStart;
import dev.troupe.models.peft.Modules;
import dev.troupe.models.peft.Oft;
import dev.troupe.models.peft.Partial;
import dev.troupe.models.peft.PeftMethod;
import dev.troupe.models.peft.Targets;
import dev.troupe.models.torch.GradMode;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The decoder's gradients against central differences, all in float64. */
final class GradientTest {
  /** Small enough that the third derivative of sharp attention (qwen2) does not show. */
  private static final double STEP = 1e-6;

  private static final double TOLERANCE = 1e-7;
  private static final int VOCABULARY = 23;
  private static final int ROWS = 3;
  private static final int WIDTH = 7;

  /** Row by row, of rows 7, 5 and 3 long; the last token of each is never read. */
  private static final long[] READS = {0, 2, 3, 5, 8, 10, 14, 15};

  /** Kernels of the test alone. */
  private static final KernelModule HELPERS =
      KernelModule.compile(
          "gradient-test.py",
          """
          def doubles(self, tensors: List[Tensor], factor: int) -> List[Tensor]:
            # matrices large enough that attention is uneven; the rotary table has four dimensions
            out: List[Tensor] = []
            for t in tensors:
              out.append(t.double() * (factor if t.dim() == 2 else 1))
            return out

          def double_leaf(self, x):
            return x.double().clone().detach().requires_grad_(True)

          def nudged(self, x, at: int, by: float):
            y = x.detach().clone()
            y[at] += by
            return y

          def itself(self, x):
            return x

          def dot(self, x, y) -> float:
            return float((x * y).sum())

          def at(self, x, i: int) -> float:
            return float(x[i])

          def largest(self, x) -> float:
            return float(x.abs().max())

          def size(self, x) -> int:
            return x.numel()
          """,
          Map.of());

  /** Behind the decoder's kernels. */
  private static final String FROZEN =
      """

      def frozen(self, moved, flat, w: List[Tensor], head: int):
        # The magnitudes of moved stretched with its rows, all linear layers adapted: magnitude / |row| is as if the rows were still those
        # of flat, for DoRA's gradient takes |row| for a constant.
        n = self.layers * sum(self.widths)
        end = flat.numel() - head
        slots = [1, 2, 4, 5]
        ratios: List[Tensor] = []
        one, other = flat.detach().clone(), moved.clone()
        one[end - n:end] = 1
        other[end - n:end] = 1
        before, after = self.pieces(one), self.pieces(other)
        for l in range(self.layers):
          for g in range(4):
            m = w[9 + 16 * l + slots[g]]
            ratios.append(self.magnitude(m, before, l, g) / self.magnitude(m, after, l, g))
        out = moved.clone()
        out[end - n:end] *= torch.cat(ratios)
        return out
      """;

  /** Ranks and scales that differ within a group, layers without a pair, dropped inputs. */
  private static final LoraOptions CHOICES =
      new LoraOptions(
          2,
          6,
          new Modules.Pattern(".*[qvop]_proj|.*0.mlp.gate_proj"),
          Optional.empty(),
          true,
          List.of(),
          List.of(),
          Map.of("v_proj", 3, "layers.1.self_attn.q_proj", 1),
          Map.of("o_proj", 2.5),
          0.4,
          false,
          LoraOptions.Bias.NONE,
          LoraStart.KAIMING);

  /** Rows of a length of their own, on every linear layer. */
  private static LoraOptions dora(double dropout) {
    return new LoraOptions(
        2,
        6,
        new Modules.AllLinear(),
        Optional.empty(),
        false,
        List.of(),
        List.of(),
        Map.of("v_proj", 3),
        Map.of("o_proj", 2.5),
        dropout,
        true,
        LoraOptions.Bias.NONE,
        LoraStart.KAIMING);
  }

  private static final Targets ALL = new Targets(new Modules.AllLinear());

  /** Inputs of one layer alone, and of one of several that are multiplied together. */
  private static final Ia3 IA3 =
      new Ia3(ALL, new Modules.Names(List.of("down_proj", "k_proj", "dense_4h_to_h", "fc2")));

  private static final Loha LOHA =
      new Loha(ALL, 2, 3, Map.of("v_proj", 1), Map.of("layers.0.*", 1.5));

  private static final Lokr LOKR = new Lokr(ALL, 2, 3, -1, false, Map.of(), Map.of());

  /** Biases of norms and of every linear layer, or of two of these. */
  private static LoraOptions biases(LoraOptions.Bias bias) {
    return new LoraOptions(
        2,
        6,
        new Modules.Pattern(".*([qv]_proj|c_attn|query_key_value|dense_4h_to_h|fc1|gate_proj)"),
        Optional.empty(),
        false,
        List.of(),
        List.of(),
        Map.of(),
        Map.of(),
        0.4,
        false,
        bias,
        LoraStart.KAIMING);
  }

  /** A golden family, or none for a random Llama, tied or not. */
  private record Case(String name, ParameterLayout layout, boolean tied, String family) {
    Case(String name, ParameterLayout layout, boolean tied) {
      this(name, layout, tied, "");
    }

    BaseModel base(long seed) {
      return family.isEmpty()
          ? BaseModel.random(config(tied), seed)
          : BaseModel.load(Golden.path("families/" + family));
    }

    Handle weights(BaseModel base) {
      try (Handle factor = Handle.of(family.isEmpty() ? 8L : 1L)) {
        return HELPERS.train("doubles", base.weights(), factor);
      }
    }

    @Override
    public String toString() {
      return name;
    }
  }

  /** Two heads on one, and a head dimension that is not hidden / heads. */
  private static ModelConfig config(boolean tied) {
    return ModelConfig.llama(
        VOCABULARY,
        10,
        14,
        2,
        4,
        2,
        6,
        1e-5,
        10000,
        16,
        tied,
        List.of(1),
        OptionalInt.empty(),
        OptionalInt.empty());
  }

  static Stream<Case> cases() throws IOException {
    List<Case> cases = new ArrayList<>();
    for (AdaptedLinear linear : AdaptedLinear.values()) {
      cases.add(lora(EnumSet.of(linear), false));
    }
    cases.add(
        lora(EnumSet.of(AdaptedLinear.Q_PROJ, AdaptedLinear.V_PROJ, AdaptedLinear.UP_PROJ), false));
    cases.add(lora(EnumSet.allOf(AdaptedLinear.class), true));
    cases.add(
        new Case("lora with choices", ParameterLayout.lora(config(true), CHOICES, true), true));
    cases.add(new Case("dora", ParameterLayout.lora(config(true), dora(0), true), true));
    cases.add(new Case("dora, dropout", ParameterLayout.lora(config(true), dora(0.4), true), true));
    cases.add(new Case("full, tied", ParameterLayout.full(config(true), true), true));
    cases.add(new Case("full, untied", ParameterLayout.full(config(false), true), false));
    cases.add(whole("last layer and head", new Partial(1, Optional.of("lm_head.weight")), false));
    cases.add(whole("embedding, tied", new Partial(0, Optional.of(".*embed_tokens.*")), true));
    cases.add(
        whole("keys and values of rows", new Partial(0, Optional.of(".*[kv]_proj.*")), false));
    cases.add(
        new Case(
            "lora beside whole modules",
            ParameterLayout.adapter(
                config(false), CHOICES, List.of("lm_head", "input_layernorm", "k_proj"), true),
            false));
    cases.add(whole("ia3", IA3, false));
    cases.add(whole("loha", LOHA, true));
    cases.add(whole("lokr", LOKR, false));
    cases.add(whole("lokr, both", new Lokr(ALL, 1, 3, 2, true, Map.of(), Map.of()), false));
    for (int terms : new int[] {0, 2, 3, 5}) {
      cases.add(whole("oft, terms " + terms, new Oft(ALL, 0, 4, terms), true));
    }
    cases.add(new Case("value head alone", ParameterLayout.bare(config(true), true), true));
    for (String family : FamilyGoldenTest.families()) {
      ModelConfig config = ModelConfig.read(Golden.path("families/" + family));
      LoraOptions all = LoraOptions.plain(2, 6, new Modules.AllLinear());
      cases.add(
          new Case(family + ", lora", ParameterLayout.lora(config, all, true), false, family));
      cases.add(
          new Case(
              family + ", dora, dropout",
              ParameterLayout.lora(config, dora(0.4), true),
              false,
              family));
      for (LoraOptions.Bias bias : LoraOptions.Bias.values()) {
        LoraOptions choices = biases(bias);
        if (bias != LoraOptions.Bias.NONE
            && LinearModule.of(config).stream()
                .anyMatch(module -> choices.targets().contains(module.name()))
            && !choices.trainedBiases(config).isEmpty()) {
          cases.add(
              new Case(
                  family + ", bias " + bias.key(),
                  ParameterLayout.lora(config, choices, true),
                  false,
                  family));
        }
      }
      cases.add(
          new Case(
              family + ", ln-tuning",
              ParameterLayout.adapter(config, LnTuning.all(config), List.of(), true),
              false,
              family));
      cases.add(
          new Case(
              family + ", last layer",
              ParameterLayout.adapter(config, new Partial(1, Optional.empty()), List.of(), true),
              false,
              family));
      cases.add(
          new Case(
              family + ", ia3",
              ParameterLayout.adapter(config, IA3, List.of(), true),
              false,
              family));
      if (LinearModule.of(config).stream().noneMatch(LinearModule::transposed)) {
        for (PeftMethod method : List.of(LOHA, LOKR, new Oft(ALL, 0, 4, 5))) {
          cases.add(
              new Case(
                  family + ", " + method.type(),
                  ParameterLayout.adapter(config, method, List.of(), true),
                  false,
                  family));
        }
      }
      if (config.tensors().keySet().stream().anyMatch(name -> name.endsWith(".bias"))) {
        cases.add(
            new Case(
                family + ", bitfit",
                ParameterLayout.adapter(config, new Bitfit(), List.of(), true),
                false,
                family));
      }
      cases.add(new Case(family + ", full", ParameterLayout.full(config, true), false, family));
    }
    return cases.stream();
  }

  private static Case whole(String name, PeftMethod method, boolean tied) {
    return new Case(name, ParameterLayout.adapter(config(tied), method, List.of(), true), tied);
  }

  private static Case lora(EnumSet<AdaptedLinear> targets, boolean head) {
    return new Case(
        "lora on " + targets, ParameterLayout.lora(config(false), 2, 6, targets, head), false);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void backward_equalsCentralDifferences(Case tried) {
    long seed = 11;
    double worst = Lanes.shared().run(() -> worst(tried, seed));
    System.out.printf(
        Locale.ROOT, "%s, seed %d: %.1e of the largest gradient%n", tried, seed, worst);
    assertThat(worst).isLessThan(TOLERANCE);
  }

  /** The worst difference over 60 coordinates, as a share of the largest gradient. */
  private static double worst(Case tried, long seed) {
    ParameterLayout layout = tried.layout();
    Random random = new Random(seed);
    try (BaseModel base = tried.base(seed);
        KernelModule kernels = kernels(layout);
        Handle weights = tried.weights(base);
        Handle single = Handle.of(parameters(layout, random), layout.size());
        Handle flat = HELPERS.train("double_leaf", single);
        Batch batch = Batch.random(random, layout.config().vocabSize(), layout.hasValueHead());
        Handle gradient = gradient(kernels, batch, weights, flat, true);
        Handle again = gradient(kernels, batch, weights, flat, false)) {
      double largest = number("largest", gradient);
      assertThat(largest).isGreaterThan(1e-3);
      double worst = 0;
      for (int i = 0; i < 60; i++) {
        long at = random.nextInt(layout.size());
        double up = loss(kernels, layout, batch, weights, flat, at, STEP);
        double down = loss(kernels, layout, batch, weights, flat, at, -STEP);
        try (Handle index = Handle.of(at);
            Handle value = HELPERS.infer("at", gradient, index);
            Handle other = HELPERS.infer("at", again, index)) {
          double difference = (up - down) / (2 * STEP);
          assertThat(other.asDouble()).isCloseTo(value.asDouble(), within(1e-12 * largest));
          worst = Math.max(worst, Math.abs(difference - value.asDouble()) / largest);
        }
      }
      return worst;
    }
  }

  /**
   * @param kept whether the backward pass is given the logits of the forward pass, or computes them
   *     again
   */
  private static Handle gradient(
      KernelModule kernels, Batch batch, Handle weights, Handle flat, boolean kept) {
    try (Handle forward =
        GradMode.with(() -> kernels.train("forward", batch.arguments(weights, flat)))) {
      List<Handle> parts = List.of(forward.parts());
      try (Handle logits = Handle.ofTensors(kept ? parts.subList(4, parts.size()) : List.of())) {
        assertThat(parts).hasSize(6);
        return GradMode.with(
            () ->
                kernels.train(
                    "backward",
                    parts.get(0),
                    batch.targets(),
                    weights,
                    flat,
                    batch.temperature(),
                    batch.logprobs(),
                    batch.entropies(),
                    batch.values(),
                    logits));
      } finally {
        parts.forEach(Handle::close);
      }
    }
  }

  private static KernelModule kernels(ParameterLayout layout) {
    List<String> texts = new ArrayList<>(List.of("/kernels/decoder.py"));
    texts.addAll(layout.kernelTexts(true));
    Map<String, Object> attributes = new LinkedHashMap<>(layout.kernelAttributes());
    // Attention in several blocks, though the texts are short.
    attributes.put("block_rows", 2L);
    return KernelModule.compile(
        "decoder.py",
        KernelModule.source(BaseModel.class, texts, Products.TORCH.placeholders()) + FROZEN,
        attributes);
  }

  /** No piece is zero, B of LoRA neither; norms are near one. */
  private static float[] parameters(ParameterLayout layout, Random random) {
    float[] values = new float[layout.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (0.3 * random.nextGaussian() + (layout.isFull() ? 0.2 : 0));
    }
    return values;
  }

  private static double loss(
      KernelModule kernels,
      ParameterLayout layout,
      Batch batch,
      Handle weights,
      Handle flat,
      long at,
      double by) {
    try (Handle index = Handle.of(at);
        Handle step = Handle.of(by);
        Handle head = Handle.of(layout.hasValueHead() ? (long) layout.config().hiddenSize() : 0L);
        Handle nudged = HELPERS.train("nudged", flat, index, step);
        Handle moved =
            layout.options().map(LoraOptions::dora).orElse(false)
                ? kernels.train("frozen", nudged, flat, weights, head)
                : HELPERS.train("itself", nudged);
        Handle result = kernels.infer("forward", batch.arguments(weights, moved))) {
      Handle[] parts = result.parts();
      double loss =
          dot(parts[1], batch.logprobs())
              + dot(parts[2], batch.entropies())
              + dot(parts[3], batch.values());
      for (Handle part : parts) {
        part.close();
      }
      return loss;
    }
  }

  private static double dot(Handle x, Handle y) {
    try (Handle product = HELPERS.infer("dot", x, y)) {
      return product.asDouble();
    }
  }

  private static double number(String method, Handle x) {
    try (Handle result = HELPERS.infer(method, x)) {
      return result.asDouble();
    }
  }

  /** A ragged batch and the loss's weight of each output: dL/d(logprob, entropy, value). */
  private record Batch(
      Handle ids,
      Handle reads,
      Handle targets,
      Handle temperature,
      Handle yes,
      Handle head,
      Handle seed,
      Handle logprobs,
      Handle entropies,
      Handle values)
      implements AutoCloseable {

    static Batch random(Random random, int vocabulary, boolean head) {
      long[] ids = random.longs((long) ROWS * WIDTH, 0, vocabulary).toArray();
      long[] targets = new long[READS.length];
      for (int i = 0; i < targets.length; i++) {
        targets[i] = ids[(int) READS[i] + 1];
      }
      return new Batch(
          sections(ids),
          Handle.of(READS, READS.length),
          Handle.of(targets, targets.length),
          Handle.of(0.8),
          Handle.of(true),
          Handle.of(head),
          Handle.of(77L),
          doubles(random, READS.length),
          doubles(random, READS.length),
          doubles(random, head ? READS.length : 0));
    }

    /** Rows of 7 and 5 tokens in a section, that of 3 in another. */
    private static Handle sections(long[] ids) {
      int rest = 2 * WIDTH;
      try (Handle two = Handle.of(Arrays.copyOf(ids, rest), 2, WIDTH);
          Handle one = Handle.of(Arrays.copyOfRange(ids, rest, rest + 3), 1, 3)) {
        return Handle.ofTensors(List.of(two, one));
      }
    }

    private static Handle doubles(Random random, int count) {
      float[] weights = new float[count];
      for (int i = 0; i < weights.length; i++) {
        weights[i] = (float) random.nextGaussian();
      }
      try (Handle single = Handle.of(weights, weights.length)) {
        return HELPERS.train("double_leaf", single);
      }
    }

    Handle[] arguments(Handle weights, Handle flat) {
      return new Handle[] {ids, reads, targets, weights, flat, temperature, yes, yes, head, seed};
    }

    @Override
    public void close() {
      for (Handle handle :
          List.of(ids, reads, targets, temperature, yes, head, seed, logprobs, entropies, values)) {
        handle.close();
      }
    }
  }

  @Test
  void backward_outputNotAskedFor_addsNothing() {
    Lanes.shared()
        .run(
            () -> {
              Case all = lora(EnumSet.allOf(AdaptedLinear.class), true);
              float[] logprobsOnly = gradient(all.layout(), true);
              assertThat(all.layout().valueHead(logprobsOnly)).containsOnly(0f);
              float[] valuesOnly = gradient(all.layout(), false);
              assertThat(all.layout().valueHead(valuesOnly)).doesNotContain(0f);
              assertThat(valuesOnly).isNotEqualTo(logprobsOnly);
              return 0;
            });
  }

  private static float[] gradient(ParameterLayout layout, boolean logprobs) {
    Random random = new Random(3);
    try (BaseModel base = BaseModel.random(config(false), 3);
        KernelModule kernels = Products.TORCH.kernels(layout);
        Handle data = Handle.of(parameters(layout, random), layout.size());
        Handle flat = kernels.train("leaf", data);
        Batch batch = Batch.random(random, VOCABULARY, true);
        Handle none = Handle.of(new float[0], 0);
        Handle ones = Handle.of(new float[] {1, 1, 1, 1, 1, 1, 1, 1}, READS.length);
        Handle nothingKept = Handle.ofTensors(List.of());
        Handle forward =
            GradMode.with(() -> kernels.train("forward", batch.arguments(base.weights(), flat)))) {
      Handle[] parts = forward.parts();
      try (Handle gradient =
          GradMode.with(
              () ->
                  kernels.train(
                      "backward",
                      parts[0],
                      batch.targets(),
                      base.weights(),
                      flat,
                      batch.temperature(),
                      logprobs ? ones : none,
                      none,
                      logprobs ? none : ones,
                      nothingKept))) {
        return gradient.floats();
      } finally {
        for (Handle part : parts) {
          part.close();
        }
      }
    }
  }
}
