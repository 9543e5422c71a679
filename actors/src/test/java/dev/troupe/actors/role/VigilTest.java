package dev.troupe.actors.role;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.OptionalLong;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class VigilTest {
  private static final int LOOKS = Vigil.LOOKS;

  private static OptionalLong at(long progress) {
    return OptionalLong.of(progress);
  }

  @Test
  void work_withoutProgress_hangsAfterSoManyLooks_andNotBefore() {
    Vigil vigil = new Vigil();
    vigil.begins(at(7));
    for (int look = 0; look < LOOKS; look++) {
      assertThat(vigil.hangs(at(7), false)).as("look %d", look).isFalse();
    }
    assertThat(vigil.hangs(at(7), false)).isTrue();
  }

  /** Whatever its pace, as long as there is some. */
  @Test
  void slowWork_neverHangs() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    Vigil vigil = new Vigil();
    long progress = random.nextInt(100);
    vigil.begins(at(progress));
    for (int piece = 0; piece < 2_000; piece++) {
      int looks = random.nextInt(LOOKS + 1);
      for (int look = 0; look < looks; look++) {
        assertThat(vigil.hangs(at(progress), false)).as("seed %d, piece %d", seed, piece).isFalse();
      }
      progress += 1 + random.nextInt(3);
      assertThat(vigil.hangs(at(progress), false)).isFalse();
    }
  }

  @Test
  void workThatAwaitsOthers_orTellsNothing_doesNotHang() {
    Vigil vigil = new Vigil();
    vigil.begins(at(7));
    for (int look = 0; look < 10 * LOOKS; look++) {
      assertThat(vigil.hangs(at(7), true)).isFalse();
      assertThat(vigil.hangs(OptionalLong.empty(), false)).isFalse();
    }
    // Its time counts from where it goes on itself.
    vigil.hangs(at(7), true);
    for (int look = 0; look < LOOKS; look++) {
      assertThat(vigil.hangs(at(7), false)).isFalse();
    }
    assertThat(vigil.hangs(at(7), false)).isTrue();
  }
}
