package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.protocol.data.Storage;
import java.util.Collections;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

final class MicroBatchesTest {
  private static final OptionalInt NONE = OptionalInt.empty();

  @Provide
  Arbitrary<List<int[]>> items() {
    return Arbitraries.integers()
        .between(1, 60)
        .array(int[].class)
        .ofMinSize(1)
        .ofMaxSize(3)
        .list()
        .ofMinSize(1)
        .ofMaxSize(30);
  }

  @Property
  void padded_hasEachItemOnce_withinTheLimit(
      @ForAll("items") List<int[]> items, @ForAll @IntRange(min = 1, max = 300) int tokens) {
    List<List<Integer>> batches = MicroBatches.padded(items, tokens);
    assertEachOnce(items, batches);
    for (List<Integer> batch : batches) {
      if (batch.size() > 1) {
        int[] lengths = lengths(items, batch);
        assertThat(lengths.length * IntStream.of(lengths).max().orElseThrow())
            .isLessThanOrEqualTo(tokens);
      }
    }
  }

  @Test
  void tokens_areAsManyBytesInEitherPrecision_andMoreInASmallModel() {
    ModelConfig wide =
        ModelConfig.llama(37, 512, 28, 2, 8, 2, 64, 1e-5, 10000, 64, true, List.of(), NONE, NONE);
    assertThat(MicroBatches.tokens(wide, Storage.FP32)).isEqualTo(256);
    assertThat(MicroBatches.tokens(wide, Storage.BF16)).isEqualTo(512);
    assertThat(MicroBatches.tokens(TinyModel.CONFIG, Storage.FP32)).isEqualTo(512);
    assertThat(MicroBatches.tokens(TinyModel.CONFIG, Storage.BF16)).isEqualTo(512);
  }

  @Property
  void packed_hasEachItemOnce_withinTheLimit(
      @ForAll("items") List<int[]> items, @ForAll @IntRange(min = 1, max = 300) int tokens) {
    List<List<Integer>> batches = MicroBatches.packed(items, tokens);
    assertEachOnce(items, batches);
    for (List<Integer> batch : batches) {
      if (batch.size() > 1) {
        assertThat(Section.tokens(Section.several(lengths(items, batch))))
            .isLessThanOrEqualTo(tokens);
      }
    }
  }

  /** The second of two lanes has work, and as much as the first. */
  @Test
  void both_areEven_byHand() {
    List<int[]> ten = Collections.nCopies(10, new int[] {40});
    assertThat(sizes(MicroBatches.padded(ten, 512))).containsExactly(5, 5);
    assertThat(sizes(MicroBatches.padded(ten, 200))).containsExactly(5, 5);
    // Three would do: of four, two have two and two have three.
    assertThat(sizes(MicroBatches.padded(ten, 160))).containsExactly(3, 3, 3, 1);
    assertThat(sizes(MicroBatches.packed(ten, 512))).containsExactly(5, 5);
    assertThat(sizes(MicroBatches.padded(ten.subList(0, 1), 512))).containsExactly(1);
    assertThat(sizes(MicroBatches.padded(List.of(new int[] {600}, new int[] {9}), 512)))
        .containsExactly(1, 1);
    // 90 and 60 + 50 are 180 of padding at the most; 90 + 60 would be 180, 3 * 90 270.
    assertThat(MicroBatches.padded(List.of(new int[] {50}, new int[] {90}, new int[] {60}), 512))
        .containsExactly(List.of(1), List.of(2, 0));
  }

  private static List<Integer> sizes(List<List<Integer>> batches) {
    return batches.stream().map(List::size).toList();
  }

  private static void assertEachOnce(List<int[]> items, List<List<Integer>> batches) {
    assertThat(batches.stream().flatMap(List::stream))
        .containsExactlyInAnyOrderElementsOf(IntStream.range(0, items.size()).boxed().toList());
    assertThat(batches).noneMatch(List::isEmpty);
  }

  private static int[] lengths(List<int[]> items, List<Integer> of) {
    return of.stream().flatMapToInt(item -> IntStream.of(items.get(item))).toArray();
  }

  /** By hand: 12 pads cost more than a section, 7 less. */
  @Test
  void sections_partWhereThatIsCheaper() {
    assertThat(Section.several(new int[] {10, 30, 23, 11, 30}))
        .containsExactly(new Section(30, List.of(1, 4, 2)), new Section(11, List.of(3, 0)));
    assertThat(Section.one(new int[] {10, 30, 23}))
        .containsExactly(new Section(30, List.of(0, 1, 2)));
    assertThat(Section.several(new int[] {5, 5, 5}))
        .containsExactly(new Section(5, List.of(0, 1, 2)));
  }

  /** Against every cut of the sorted lengths. */
  @Property
  void sections_areTheCheapest(@ForAll("few") int[] lengths) {
    List<Section> sections = Section.several(lengths);
    assertThat(sections.stream().flatMap(section -> section.rows().stream()))
        .containsExactlyInAnyOrderElementsOf(IntStream.range(0, lengths.length).boxed().toList());
    for (Section section : sections) {
      assertThat(section.rows().stream().mapToInt(row -> lengths[row]).max())
          .hasValue(section.width());
    }
    int[] sorted = IntStream.of(lengths).map(length -> -length).sorted().map(l -> -l).toArray();
    long least = Long.MAX_VALUE;
    for (int cuts = 0; cuts < 1 << (sorted.length - 1); cuts++) {
      long cost = 0;
      int width = 0;
      for (int i = 0; i < sorted.length; i++) {
        if (i == 0 || ((cuts >> (i - 1)) & 1) == 1) {
          width = sorted[i];
          cost += Section.PRICE;
        }
        cost += width;
      }
      least = Math.min(least, cost);
    }
    assertThat(Section.tokens(sections) + (long) Section.PRICE * sections.size()).isEqualTo(least);
  }

  @Provide
  Arbitrary<int[]> few() {
    return Arbitraries.integers().between(1, 40).array(int[].class).ofMinSize(1).ofMaxSize(9);
  }
}
