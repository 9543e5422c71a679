package dev.troupe.models.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.FloatBuffer;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class HandleTest {
  private static final KernelModule KERNELS =
      KernelModule.compile(
          "views.py",
          "def tail(self, x):\n  return x[1:]\n\ndef both(self, x):\n  return [x, x + 1]\n",
          Map.of());

  @Test
  void live_countsWhatIsNotClosed() {
    long before = Handle.live();
    Handle x = Handle.of(new float[] {1, 2}, 2);
    Handle list = Handle.ofTensors(List.of(x));
    assertThat(Handle.live()).isEqualTo(before + 2);
    x.close();
    x.close();
    list.close();
    assertThat(Handle.live()).isEqualTo(before);
    assertThatThrownBy(x::floats).hasMessageContaining("closed");
  }

  @Test
  void write_reachesViewsMadeBefore() {
    // DJL's own set() would swap the memory and leave the view behind.
    try (Handle x = Handle.of(new float[] {1, 2, 3}, 3);
        Handle view = KERNELS.train("tail", x)) {
      x.write(new float[] {7, 8, 9});
      assertThat(view.floats()).containsExactly(8, 9);
      assertThatThrownBy(() -> x.write(new float[2])).hasMessageContaining("2 floats");
    }
  }

  @Test
  void ofTensors_outlivesItsParts() {
    Handle list;
    try (Handle x = Handle.of(new float[] {1, 2}, 2);
        Handle pair = KERNELS.infer("both", x)) {
      Handle[] parts = pair.parts();
      list = Handle.ofTensors(List.of(parts));
      for (Handle part : parts) {
        part.close();
      }
    }
    Handle[] parts = list.parts();
    assertThat(parts[1].floats()).containsExactly(2, 3);
    for (Handle part : parts) {
      part.close();
    }
    list.close();
  }

  @Test
  void of_buffer_copiesFromItsPositionAndLeavesIt() {
    FloatBuffer buffer = FloatBuffer.wrap(new float[] {9, 1, 2, 3, 4});
    buffer.position(1);
    try (Handle x = Handle.of(buffer, 2, 2)) {
      buffer.put(1, 100);
      assertThat(x.floats()).containsExactly(1, 2, 3, 4);
      assertThat(x.shape()).containsExactly(2, 2);
      assertThat(buffer.position()).isEqualTo(1);
    }
  }

  @Test
  void of_nothing_isAnEmptyTensor() {
    try (Handle x = Handle.of(new float[0], 0);
        Handle y = Handle.of(new long[0], 0)) {
      assertThat(x.floats()).isEmpty();
      assertThat(x.shape()).containsExactly(0);
      assertThat(y.longs()).isEmpty();
    }
  }

  @Test
  void of_wrongShape_isRefused() {
    assertThatThrownBy(() -> Handle.of(new float[3], 2, 2))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("3 floats")
        .hasMessageContaining("[2, 2]");
  }

  @Test
  void filled_takesNumbersInPieces_andNoFewerThanItsShapeHas() {
    try (Handle tensor = Handle.filled(own -> own.put(new float[] {1, 2}).put(3).put(4), 2, 2)) {
      assertThat(tensor.floats()).containsExactly(1, 2, 3, 4);
    }
    assertThatThrownBy(() -> Handle.filled(own -> own.put(1), 2, 2).close())
        .hasMessage("3 numbers of a tensor of shape (2, 2) were not given");
  }
}
