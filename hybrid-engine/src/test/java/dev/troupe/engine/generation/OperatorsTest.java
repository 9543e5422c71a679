package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.models.decoder.Precision;
import dev.troupe.models.decoder.Products;
import dev.troupe.models.torch.Device;
import dev.troupe.models.torch.NativeLibrary.Absent;
import dev.troupe.models.torch.NativeLibrary.Loaded;
import dev.troupe.models.torch.NativeLibrary.State;
import dev.troupe.protocol.data.Numerics.Kernels;
import org.junit.jupiter.api.Test;

class OperatorsTest {
  private static final State FAST = new Loaded("avx2", false);
  private static final State ABSENT = new Absent("there is none for here");

  @Test
  void choose_auto_isNativeWhereTheLibraryIsThereAndFast() {
    assertThat(Operators.choose(Kernels.AUTO, Device.CPU, () -> FAST).describe())
        .isEqualTo("native, avx2");
    assertThat(Operators.choose(Kernels.AUTO, Device.CPU, () -> ABSENT).describe())
        .isEqualTo("torch's operators: there is none for here");
    assertThat(
            Operators.choose(Kernels.AUTO, Device.CPU, () -> new Loaded("plain", false)).describe())
        .startsWith("torch's operators: ")
        .contains("AVX2");
    assertThat(Operators.choose(Kernels.AUTO, Device.cuda(0), OperatorsTest::notAsked).describe())
        .contains("computes on cuda:0");
  }

  @Test
  void describe_saysWhereProductsOfBf16AreTheLibrarys() {
    State widens = new Loaded("avx512-vnni", true);
    assertThat(Operators.choose(Kernels.AUTO, Device.CPU, () -> widens).describe())
        .isEqualTo("native, avx512-vnni; products of bf16 in float32, faster here");
    assertThat(Operators.choose(Kernels.TORCH, Device.CPU, () -> widens).widen()).isFalse();
    assertThat(Operators.products(Kernels.AUTO, Precision.FP32)).isEqualTo(Products.TORCH);
    assertThat(Operators.products(Kernels.TORCH, Precision.BF16)).isEqualTo(Products.TORCH);
  }

  @Test
  void choose_torch_doesNotLoadTheLibrary() {
    assertThat(Operators.choose(Kernels.TORCH, Device.CPU, OperatorsTest::notAsked).areNative())
        .isFalse();
  }

  @Test
  void choose_native_isAnErrorWhereItCannotBe() {
    assertThat(
            Operators.choose(Kernels.NATIVE, Device.CPU, () -> new Loaded("plain", false))
                .areNative())
        .isTrue();
    assertThatThrownBy(() -> Operators.choose(Kernels.NATIVE, Device.CPU, () -> ABSENT))
        .isInstanceOf(GenerationException.class)
        .hasMessage(
            "engine.kernels (--kernels) is native, but Troupe's library of operators cannot be"
                + " used: there is none for here. Let it be auto or torch.");
    assertThatThrownBy(
            () -> Operators.choose(Kernels.NATIVE, Device.cuda(1), OperatorsTest::notAsked))
        .hasMessageContaining("cuda:1");
  }

  private static State notAsked() {
    throw new AssertionError("the library is not to be loaded");
  }
}
