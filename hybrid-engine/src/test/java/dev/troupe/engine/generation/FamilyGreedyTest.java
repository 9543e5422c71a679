package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.decoder.Products;
import dev.troupe.models.peft.Ia3;
import dev.troupe.models.peft.LinearModule;
import dev.troupe.models.peft.LnTuning;
import dev.troupe.models.peft.Lokr;
import dev.troupe.models.peft.LoraOptions;
import dev.troupe.models.peft.LoraStart;
import dev.troupe.models.peft.Modules;
import dev.troupe.models.peft.Oft;
import dev.troupe.models.peft.Partial;
import dev.troupe.models.peft.PeftMethod;
import dev.troupe.models.peft.PrefixTuning;
import dev.troupe.models.peft.PromptTuning;
import dev.troupe.models.peft.Targets;
import dev.troupe.models.tokenizer.BpeTrainer;
import dev.troupe.models.tokenizer.BpeVocabulary;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import dev.troupe.models.torch.NativeLibrary;
import dev.troupe.protocol.data.Numerics.Kernels;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.TokenIds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every family's golden checkpoint through the generator: greedy continuations of 64 tokens are
 * those of transformers, prompts of unequal length in one batch, and the log-probabilities from the
 * cache are those of the training path, which has none.
 */
final class FamilyGreedyTest {
  private static final Path GOLDEN =
      Path.of(System.getProperty("troupe.root"), "models/src/test/resources/golden/families");
  private static final SamplingSettings GREEDY = new SamplingSettings(64, 0, 0, 1, List.of(), 1);

  /** Between the paths, in nats. How far rounding parts them depends on the processor. */
  private static final double CACHE_TOLERANCE = 5e-5;

  /** On every linear layer, and every bias where a family has any. */
  private static final LoraOptions ADAPTER =
      new LoraOptions(
          2,
          6,
          new Modules.AllLinear(),
          Optional.empty(),
          false,
          List.of(),
          List.of(),
          Map.of(),
          Map.of(),
          0,
          false,
          LoraOptions.Bias.ALL,
          LoraStart.KAIMING);

  @TempDir private Path directory;

  static List<String> families() throws IOException {
    try (Stream<Path> found = Files.list(GOLDEN)) {
      return found.map(path -> path.getFileName().toString()).sorted().toList();
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void generate_greedy_equalsTransformersAndTheUncachedPath(String family) throws IOException {
    JsonNode golden =
        new ObjectMapper().readTree(GOLDEN.resolve(family).resolve("expected.json").toFile());
    copyWithoutEndTokens(family);
    try (BaseModel base = BaseModel.load(directory);
        Tokenizer tokenizer = Tokenizer.load(directory);
        Lanes lanes = new Lanes(1)) {
      boolean here = NativeLibrary.state() instanceof NativeLibrary.Loaded;
      for (Kernels kernels :
          here ? List.of(Kernels.NATIVE, Kernels.TORCH) : List.of(Kernels.TORCH)) {
        Case bare = new Case(family + " " + kernels, kernels, base, tokenizer, lanes);
        check(bare, ParameterLayout.bare(base.config(), false), golden);
        check(bare, ParameterLayout.full(base.config(), false), golden);
        check(bare, ParameterLayout.lora(base.config(), ADAPTER, false), golden);
        // Each by the operators of one side, which takes turns: they meet the weights that it made.
        List<ParameterLayout> others = others(base);
        for (int i = 0; i < others.size(); i++) {
          if (!here || (i + family.hashCode()) % 2 == 0 == (kernels == Kernels.NATIVE)) {
            check(bare, others.get(i), golden);
          }
        }
      }
    }
  }

  private static List<ParameterLayout> others(BaseModel base) {
    List<PeftMethod> methods =
        new ArrayList<>(
            List.of(
                LnTuning.all(base.config()),
                new Partial(1, Optional.empty()),
                Ia3.usual(base.config())));
    if (LinearModule.of(base.config()).stream().noneMatch(LinearModule::transposed)) {
      methods.add(new Lokr(ALL, 2, 0.2, -1, false, Map.of(), Map.of()));
      methods.add(new Oft(ALL, 0, 4, 5));
    }
    methods.add(PrefixTuning.of(base.config(), 3, OptionalInt.empty(), false));
    methods.add(PromptTuning.of(base.config(), 3, PromptTuning.Start.RANDOM, "", List.of()));
    methods.add(vocabulary(base.config()));
    return methods.stream().map(method -> adapter(base, method)).toList();
  }

  /** LoRA on the embedding and the output matrix, by the family's names. */
  private static LoraOptions vocabulary(ModelConfig config) {
    return LoraOptions.plain(
        2, 1, new Modules.Names(List.of(config.decoder().names().embed(), "lm_head")));
  }

  /** A family by the operators of one side. */
  private record Case(
      String name, Kernels kernels, BaseModel base, Tokenizer tokenizer, Lanes lanes) {}

  private static final Targets ALL = new Targets(new Modules.AllLinear());

  private static ParameterLayout adapter(BaseModel base, PeftMethod method) {
    return ParameterLayout.adapter(base.config(), method, List.of(), false);
  }

  private static void check(Case family, ParameterLayout layout, JsonNode golden) {
    BaseModel base = family.base();
    Lanes lanes = family.lanes();
    float[] parameters = layout.isFull() ? layout.copyOf(base, 1) : layout.initial(1);
    Random random = new Random(4);
    layout.takeFromBase(parameters, base);
    boolean adapted = layout.size() > 0 && !layout.isFull();
    for (int i = 0; adapted && i < parameters.length; i++) {
      parameters[i] += (float) (0.1 * random.nextGaussian());
    }
    try (Handle flat = Handle.of(parameters, parameters.length);
        Generator generator =
            new Generator(
                base,
                family.tokenizer(),
                layout,
                lanes,
                Generator.Options.defaults().by(family.kernels()))) {
      generator.flip(flat, 1);
      List<JsonNode> rows = fitting(base, golden, layout.virtualTokens().length);
      List<Rollout> rollouts = generator.generate(1, prompts(rows), GREEDY);
      double worst = 0;
      for (int i = 0; i < rollouts.size(); i++) {
        Rollout rollout = rollouts.get(i);
        int prompt = layout.virtualTokens().length + rollout.prompt().tokens().size();
        int room = base.config().maxPositionEmbeddings() - prompt;
        assertThat(rollout.response().values()).hasSize(Math.min(room, 64));
        if (!adapted) {
          int[] tokens = ints(rows.get(i).get("greedy").get("tokens"));
          assertThat(rollout.response().values())
              .as("continuation of text %s", i)
              .isEqualTo(Arrays.copyOf(tokens, Math.min(room, 64)));
        }
        float[] found = rollout.logprobs().values();
        int steady = base.config().steadyContext();
        int within = Math.min(found.length, Math.max(0, steady - prompt));
        if (within > 0) {
          worst = Math.max(worst, gap(lanes, base, layout, flat, rollout, 0, within));
        }
        // The first token beyond was drawn when the text was still a short one.
        int beyond = prompt > steady ? 0 : within + 1;
        if (beyond < found.length) {
          worst = Math.max(worst, gap(lanes, base, layout, flat, rollout, beyond, found.length));
        }
      }
      System.out.printf(
          Locale.ROOT,
          "%s: %s, cached from uncached %.1e nats%n",
          family.name(),
          adapted ? "adapter" : layout.isFull() ? "all trained, greedy equal" : "greedy equal",
          worst);
      assertThat(worst).isLessThan(CACHE_TOLERANCE);
    }
  }

  /**
   * The largest distance of tokens {@code from} … {@code to} of the response from what the training
   * path says of the text that ends with them.
   */
  private static double gap(
      Lanes lanes,
      BaseModel base,
      ParameterLayout layout,
      Handle flat,
      Rollout rollout,
      int from,
      int to) {
    int[] response = Arrays.copyOf(rollout.response().values(), to);
    float[] expected =
        lanes.run(() -> uncached(base, layout, flat, framed(layout, rollout), response));
    double worst = 0;
    for (int t = from; t < to; t++) {
      worst = Math.max(worst, Math.abs(expected[t] - (double) rollout.logprobs().get(t)));
    }
    return worst;
  }

  /** The prompt behind what stands before it. */
  private static int[] framed(ParameterLayout layout, Rollout rollout) {
    return IntStream.concat(
            IntStream.of(layout.virtualTokens()), IntStream.of(rollout.prompt().tokens().values()))
        .toArray();
  }

  /** The response's log-probabilities by the training path. */
  private static float[] uncached(
      BaseModel base, ParameterLayout layout, Handle flat, int[] prompt, int[] response) {
    long[] ids = new long[prompt.length + response.length];
    long[] reads = new long[response.length];
    long[] targets = new long[response.length];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = i < prompt.length ? prompt[i] : response[i - prompt.length];
    }
    for (int i = 0; i < response.length; i++) {
      reads[i] = (long) prompt.length + i - 1;
      targets[i] = response[i];
    }
    try (KernelModule kernels = Products.TORCH.kernels(layout);
        Handle tokens = Handle.of(ids, 1, ids.length);
        Handle positions = Handle.of(reads, reads.length);
        Handle wanted = Handle.of(targets, targets.length);
        Handle temperature = Handle.of(1.0);
        Handle yes = Handle.of(true);
        Handle no = Handle.of(false);
        Handle sections = Handle.ofTensors(List.of(tokens));
        Handle out =
            kernels.infer(
                "evaluate",
                sections,
                positions,
                wanted,
                base.weights(),
                flat,
                temperature,
                yes,
                no,
                no)) {
      Handle[] parts = out.parts();
      float[] logprobs = parts[0].floats();
      for (Handle part : parts) {
        part.close();
      }
      return logprobs;
    }
  }

  /**
   * The golden continuations go on behind end tokens. Only ids are compared, so any text will do.
   */
  private void copyWithoutEndTokens(String family) throws IOException {
    BpeTrainer.train(List.of("the cat sat"), 260, List.of("<s>"))
        .write(
            directory,
            new BpeVocabulary.Setup(
                Optional.empty(), "<s>", Optional.empty(), Optional.empty(), 128));
    for (String name : List.of("config.json", "model.safetensors")) {
      Files.copy(GOLDEN.resolve(family).resolve(name), directory.resolve(name));
    }
    ObjectNode config = JsonFile.read(directory.resolve("config.json"));
    config.putNull("eos_token_id");
    JsonFile.write(directory.resolve("config.json"), config);
    for (String name : List.of("tokenizer_config.json", "special_tokens_map.json")) {
      if (Files.exists(directory.resolve(name))) {
        ObjectNode json = JsonFile.read(directory.resolve(name));
        json.remove("eos_token");
        JsonFile.write(directory.resolve(name), json);
      }
    }
  }

  /** The prompts that the context has room for. */
  private static List<JsonNode> fitting(BaseModel base, JsonNode golden, int virtual) {
    List<JsonNode> rows = new ArrayList<>();
    for (JsonNode row : golden.get("rows")) {
      if (row.get("prompt").size() + virtual < base.config().maxPositionEmbeddings()) {
        rows.add(row);
      }
    }
    assertThat(rows).hasSizeGreaterThan(1);
    return rows;
  }

  private static List<Prompt> prompts(List<JsonNode> rows) {
    List<Prompt> prompts = new ArrayList<>();
    for (JsonNode row : rows) {
      prompts.add(new Prompt("text-" + prompts.size(), "", new TokenIds(ints(row.get("prompt")))));
    }
    return prompts;
  }

  private static int[] ints(JsonNode array) {
    int[] ints = new int[array.size()];
    for (int i = 0; i < ints.length; i++) {
      ints[i] = array.get(i).intValue();
    }
    return ints;
  }
}
