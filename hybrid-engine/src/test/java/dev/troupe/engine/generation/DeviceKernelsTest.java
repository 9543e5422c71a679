package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.decoder.Products;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What can be known of kernels on CUDA without a CUDA device: that they say of every tensor that
 * they make where it shall be (src/test/golden/devices runs them on a device that is not there),
 * and that the plain matrices, which CUDA is given, compute what the training path does.
 */
final class DeviceKernelsTest {
  private static final Path ROOT = Path.of(System.getProperty("troupe.root"));
  private static final Path FAMILIES = ROOT.resolve("models/src/test/resources/golden/families");

  @Test
  void everyTensorThatAKernelMakes_isMadeOnADevice() throws IOException {
    // bytes.py asks what the CPU can do.
    for (String kernels :
        List.of(
            "models/src/main/resources/kernels/decoder.py",
            "hybrid-engine/src/main/resources/kernels/generate.py")) {
      String text = Files.readString(ROOT.resolve(kernels));
      List<String> homeless =
          Pattern.compile("torch\\.(zeros|ones|full|empty|arange|tensor|eye|rand|randn)\\(.*")
              .matcher(text)
              .results()
              .map(MatchResult::group)
              .filter(line -> !line.contains("device="))
              .toList();
      assertThat(homeless).as(kernels).isEmpty();
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Storage.class,
      names = {"FP32", "BF16", "FP16"})
  void plainMatrices_giveWhatTheTrainingPathGives(Storage format) {
    try (Lanes lanes = new Lanes(1);
        BaseModel base = BaseModel.load(FAMILIES.resolve("gemma3"))) {
      ParameterLayout layout =
          ParameterLayout.lora(base.config(), 2, 6, EnumSet.allOf(AdaptedLinear.class), false);
      lanes.run(
          () -> {
            try (KernelModule kernels = plain(layout, format);
                KernelModule training = Products.TORCH.kernels(layout);
                Handle flat = Handle.of(layout.initial(1), layout.size());
                Handle frame = kernels.infer("frame", base.weights(), flat);
                Handle packed = shadow(kernels, base.weights(), flat)) {
              Probe probe =
                  new Probe(
                      kernels,
                      training,
                      base,
                      new int[0],
                      Generator.Options.of(format, Storage.FP32),
                      false);
              probe.check(
                  flat, new Shadow(frame, packed), new EngineMode.Training().flip(1, format));
            }
            return 0;
          });
    }
  }

  @Test
  void int8OnCuda_isRefused() {
    assertThatThrownBy(Packing.of(Storage.INT8)::plainPlaceholders)
        .isInstanceOf(GenerationException.class)
        .hasMessageContaining("rollouts with int8 weights are for the CPU")
        .hasMessageContaining("bf16, fp16 or fp32");
  }

  private static KernelModule plain(ParameterLayout layout, Storage format) {
    Map<String, Object> attributes = new LinkedHashMap<>(layout.kernelAttributes());
    attributes.put("weight_at", new long[] {1, 2, 4, 5});
    return KernelModule.load(
        Generator.class,
        "/kernels/generate.py",
        attributes,
        Packing.of(format).plainPlaceholders());
  }

  private static Handle shadow(KernelModule kernels, Handle weights, Handle flat) {
    try (Handle nothing = kernels.infer("nothing");
        Handle part = Handle.of(0L);
        Handle parts = Handle.of(1L)) {
      return kernels.infer("shadow", weights, flat, nothing, part, parts);
    }
  }
}
