package dev.troupe.engine.generation;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.decoder.Products;
import dev.troupe.models.peft.LoraOptions;
import dev.troupe.models.peft.LoraStart;
import dev.troupe.models.peft.Modules;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelArchive;
import dev.troupe.protocol.data.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * Writes every family's kernels, as CUDA is given them, into the directory that {@code
 * troupe.kernels} names: what src/test/golden/devices/check_devices.py reads.
 */
final class WriteKernels {
  private static final Path ROOT = Path.of(System.getProperty("troupe.root"));

  @Test
  @EnabledIfSystemProperty(named = "troupe.kernels", matches = ".+")
  void write() throws IOException {
    Path target = Files.createDirectories(Path.of(System.getProperty("troupe.kernels")));
    String decoder = Files.readString(ROOT.resolve("models/src/main/resources/kernels/decoder.py"));
    String generate =
        Files.readString(ROOT.resolve("hybrid-engine/src/main/resources/kernels/generate.py"));
    for (var placeholder : Packing.of(Storage.BF16).plainPlaceholders().entrySet()) {
      generate = generate.replace("$" + placeholder.getKey(), placeholder.getValue());
    }
    for (var placeholder : Products.TORCH.placeholders().entrySet()) {
      decoder = decoder.replace("$" + placeholder.getKey(), placeholder.getValue());
    }
    ObjectMapper json = new ObjectMapper();
    ArrayNode index = json.createArrayNode();
    List<Path> families;
    try (Stream<Path> found =
        Files.list(ROOT.resolve("models/src/test/resources/golden/families"))) {
      families = found.sorted().toList();
    }
    for (Path family : families) {
      try (BaseModel base = BaseModel.load(family)) {
        Map<String, ParameterLayout> layouts =
            Map.of(
                "dora", ParameterLayout.lora(base.config(), adapter(0.1, true), true),
                "lora", ParameterLayout.lora(base.config(), adapter(0, false), true),
                "full", ParameterLayout.full(base.config(), true),
                "bare", ParameterLayout.bare(base.config(), true));
        for (Map.Entry<String, ParameterLayout> entry : layouts.entrySet()) {
          String name = family.getFileName() + "-" + entry.getKey();
          ParameterLayout layout = entry.getValue();
          Map<String, Object> attributes = new LinkedHashMap<>(layout.kernelAttributes());
          attributes.put("weight_at", new long[] {1, 2, 4, 5});
          Files.write(
              target.resolve(name + "-train.pt"),
              KernelArchive.of(decoder, layout.kernelAttributes(Storage.BF16)));
          Files.write(
              target.resolve(name + "-generate.pt"), KernelArchive.of(generate, attributes));
          ObjectNode item = index.addObject();
          item.put("name", name).put("parameters", layout.size());
          item.put("kv_heads", base.config().kvHeads());
          ArrayNode shapes = item.putArray("weights");
          for (Handle weight : base.weights().parts()) {
            try (weight) {
              ArrayNode shape = shapes.addArray();
              for (long size : weight.shape()) {
                shape.add(size);
              }
            }
          }
        }
      }
    }
    json.writeValue(target.resolve("index.json").toFile(), index);
  }

  private static LoraOptions adapter(double dropout, boolean dora) {
    return new LoraOptions(
        2,
        6,
        new Modules.AllLinear(),
        Optional.empty(),
        false,
        List.of(),
        List.of(),
        Map.of(),
        Map.of(),
        dropout,
        dora,
        dora ? LoraOptions.Bias.ALL : LoraOptions.Bias.NONE,
        LoraStart.KAIMING);
  }
}
