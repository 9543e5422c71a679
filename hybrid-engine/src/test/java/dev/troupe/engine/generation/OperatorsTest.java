package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.models.decoder.Products;
import dev.troupe.models.torch.Device;
import dev.troupe.models.torch.NativeLibrary.Absent;
import dev.troupe.models.torch.NativeLibrary.Loaded;
import dev.troupe.models.torch.NativeLibrary.State;
import dev.troupe.protocol.data.Numerics.Cache;
import dev.troupe.protocol.data.Numerics.Kernels;
import dev.troupe.protocol.data.Storage;
import java.util.List;
import org.junit.jupiter.api.Test;

class OperatorsTest {
  private static final State VNNI = new Loaded("avx512-vnni", 127, false);
  private static final State AVX2 = new Loaded("avx2", 63, false);
  private static final State PLAIN = new Loaded("plain", 127, false);
  private static final State NEON = new Loaded("neon-i8mm", 127, false);
  private static final State ABSENT = new Absent("there is none for here");

  private static final String FUSED = "; training's norms, gates and attention native";

  private static Operators choose(Kernels asked, Storage format, State library, int torchs) {
    return Operators.choose(asked, format, Device.CPU, () -> library, () -> torchs);
  }

  @Test
  void choose_auto_isNativeWhereTheLibraryIsThereAndHasFastKernels() {
    for (Storage format : Storage.ofRollouts()) {
      assertThat(choose(Kernels.AUTO, format, VNNI, 127).describe())
          .isEqualTo("native, avx512-vnni" + FUSED);
      assertThat(choose(Kernels.AUTO, format, ABSENT, 63).describe())
          .isEqualTo("torch's operators: there is none for here");
      assertThat(choose(Kernels.AUTO, format, PLAIN, 63).describe())
          .isEqualTo(
              "torch's operators: the library has plain kernels here, without AVX2 or AVX-512"
                  + " VNNI");
      assertThat(choose(Kernels.AUTO, format, NEON, 127).describe())
          .isEqualTo(
              "torch's operators: the library's kernels for Arm were tested under emulation and never"
                  + " timed on a processor");
      assertThat(choose(Kernels.NATIVE, format, NEON, 127).describe())
          .isEqualTo("native, neon-i8mm" + FUSED);
      assertThat(onCuda(Kernels.AUTO, format).describe()).contains("computes on cuda:0");
    }
  }

  /** On processors with AVX-VNNI torch's products are of whole bytes, the library's of halves. */
  @Test
  void choose_auto_isTorchWhereTheLibraryWouldHoldInt8WeightsInLargerSteps() {
    assertThat(choose(Kernels.AUTO, Storage.INT8, AVX2, 127).describe())
        .isEqualTo(
            "torch's operators: they hold int8 weights in steps up to ±127 on this processor, the"
                + " library's in ±63"
                + FUSED);
    assertThat(choose(Kernels.NATIVE, Storage.INT8, AVX2, 127).areNative()).isTrue();
    assertThat(choose(Kernels.AUTO, Storage.INT8, VNNI, 127).areNative()).isTrue();
    assertThat(choose(Kernels.AUTO, Storage.INT8, VNNI, 63).areNative()).isTrue();
  }

  /** As measured: docs/performance.md. */
  @Test
  void choose_auto_isNativeForInt8AloneWithAvx2() {
    for (Storage format : Storage.ofRollouts()) {
      assertThat(choose(Kernels.AUTO, format, AVX2, 63).areNative())
          .isEqualTo(format == Storage.INT8);
      assertThat(choose(Kernels.NATIVE, format, AVX2, 63).describe())
          .isEqualTo("native, avx2" + FUSED);
    }
    assertThat(choose(Kernels.AUTO, Storage.FP32, AVX2, 63).describe())
        .isEqualTo(
            "torch's operators: with AVX2 the library is slower at many rows, but in int8" + FUSED);
  }

  @Test
  void describe_saysWhereProductsOfBf16AreTheLibrarys() {
    State widens = new Loaded("avx512-vnni", 127, true);
    assertThat(choose(Kernels.AUTO, Storage.BF16, widens, 127).describe())
        .isEqualTo("native, avx512-vnni" + FUSED + "; products of bf16 in float32, faster here");
    assertThat(choose(Kernels.TORCH, Storage.BF16, widens, 127).widen()).isFalse();
    // Where another side decodes.
    State avx2 = new Loaded("avx2", 63, true);
    assertThat(choose(Kernels.AUTO, Storage.BF16, avx2, 63).describe())
        .isEqualTo(
            "torch's operators: with AVX2 the library is slower at many rows, but in int8"
                + FUSED
                + "; products of bf16 in float32, faster here");
  }

  @Test
  void caching_inBf16_isWithWeightsOfNoMoreDigits_orWhereItIsAskedFor() {
    for (Storage format : Storage.ofRollouts()) {
      Operators own = choose(Kernels.AUTO, format, VNNI, 127);
      boolean few = format == Storage.BF16 || format == Storage.INT8;
      assertThat(own.caching(Cache.AUTO, format).halfCache()).isEqualTo(few);
      assertThat(own.caching(Cache.FP32, format)).isEqualTo(own);
      assertThat(own.caching(Cache.BF16, format).describe())
          .isEqualTo("native, avx512-vnni; keys and values in bf16" + FUSED);
      Operators torchs = choose(Kernels.AUTO, format, ABSENT, 127);
      assertThat(torchs.caching(Cache.AUTO, format)).isEqualTo(torchs);
      assertThatThrownBy(() -> torchs.caching(Cache.BF16, format))
          .isInstanceOf(GenerationException.class)
          .hasMessage(
              "engine.cache is bf16, which Troupe's library of operators alone reads, and torch's"
                  + " decode here: there is none for here. Let it be auto or fp32.");
    }
  }

  @Test
  void exactly_isByTheLibraryAloneInTrainingsNumbers() {
    for (Storage format : List.of(Storage.FP32, Storage.BF16)) {
      Operators own = choose(Kernels.AUTO, format, VNNI, 127);
      assertThat(own.exactly(false, format)).isEqualTo(own);
      assertThat(own.exactly(true, format).describe())
          .isEqualTo("native, avx512-vnni; scores in sampling's bits" + FUSED);
      assertThatThrownBy(() -> choose(Kernels.AUTO, format, ABSENT, 127).exactly(true, format))
          .isInstanceOf(GenerationException.class)
          .hasMessage(
              "engine.on-policy is exact, which Troupe's library of operators alone is, and torch's"
                  + " decode here: there is none for here. Let engine.kernels be native where the"
                  + " library is, or engine.on-policy be usual.");
    }
    for (Storage format : List.of(Storage.FP16, Storage.INT8)) {
      assertThatThrownBy(() -> choose(Kernels.AUTO, format, VNNI, 127).exactly(true, format))
          .hasMessageContaining("engine.rollout-weights comes to " + format);
    }
  }

  /** Of training and scoring; not where the library is not there or has plain kernels. */
  @Test
  void choose_fusesWhereTheLibraryHasFastKernels() {
    for (Storage format : Storage.ofRollouts()) {
      assertThat(choose(Kernels.AUTO, format, VNNI, 127).fuse()).isTrue();
      assertThat(choose(Kernels.AUTO, format, AVX2, 127).fuse()).isTrue();
      assertThat(choose(Kernels.AUTO, format, AVX2, 63).fuse()).isTrue();
      assertThat(choose(Kernels.NATIVE, format, PLAIN, 127).fuse()).isTrue();
      assertThat(choose(Kernels.AUTO, format, PLAIN, 127).fuse()).isFalse();
      assertThat(choose(Kernels.AUTO, format, ABSENT, 127).fuse()).isFalse();
      assertThat(choose(Kernels.TORCH, format, VNNI, 127).fuse()).isFalse();
      assertThat(onCuda(Kernels.AUTO, format).fuse()).isFalse();
    }
  }

  @Test
  void products_areTorchsWhereItIsAskedFor_andTheLibrarysByPrecisionWhereItIsThere() {
    for (Storage precision : Storage.ofProducts()) {
      assertThat(Operators.products(Kernels.TORCH, precision)).isEqualTo(Products.TORCH);
    }
    LibraryHere.assumeLoaded();
    boolean widens = LibraryHere.loaded().widens();
    assertThat(Operators.products(Kernels.NATIVE, Storage.FP32)).isEqualTo(Products.FUSED);
    assertThat(Operators.products(Kernels.NATIVE, Storage.BF16))
        .isEqualTo(widens ? Products.WIDE : Products.FUSED);
  }

  @Test
  void choose_torch_doesNotLoadTheLibrary() {
    assertThat(
            Operators.choose(
                    Kernels.TORCH, Storage.INT8, Device.CPU, OperatorsTest::notAsked, () -> 127)
                .areNative())
        .isFalse();
  }

  @Test
  void choose_native_isAnErrorWhereItCannotBe() {
    assertThat(choose(Kernels.NATIVE, Storage.FP32, PLAIN, 127).areNative()).isTrue();
    assertThatThrownBy(() -> choose(Kernels.NATIVE, Storage.FP32, ABSENT, 127))
        .isInstanceOf(GenerationException.class)
        .hasMessage(
            "engine.kernels (--kernels) is native, but Troupe's library of operators cannot be"
                + " used: there is none for here. Let it be auto or torch.");
    assertThatThrownBy(() -> onCuda(Kernels.NATIVE, Storage.FP32)).hasMessageContaining("cuda:0");
  }

  private static Operators onCuda(Kernels asked, Storage format) {
    return Operators.choose(asked, format, Device.cuda(0), OperatorsTest::notAsked, () -> 127);
  }

  private static State notAsked() {
    throw new AssertionError("the library is not to be loaded");
  }
}
