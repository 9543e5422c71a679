package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.engine.MicroBatches.MicroBatch;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.decoder.Precision;
import java.util.Arrays;
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
      @ForAll("items") List<int[]> items,
      @ForAll @IntRange(min = 1, max = 300) int tokens,
      @ForAll @IntRange(min = 1, max = 5) int lanes) {
    List<MicroBatch> batches = MicroBatches.padded(items, tokens, lanes);
    assertEachOnce(items, batches);
    assertThat(batches).extracting(MicroBatch::lane).allMatch(lane -> lane < lanes);
    for (MicroBatch batch : batches) {
      if (batch.items().size() > 1) {
        int[] lengths = lengths(items, batch.items());
        assertThat(lengths.length * IntStream.of(lengths).max().orElseThrow())
            .isLessThanOrEqualTo(tokens);
      }
    }
  }

  @Test
  void tokens_areAsManyBytesInEitherPrecision_andMoreInASmallModel() {
    ModelConfig wide =
        ModelConfig.llama(37, 512, 28, 2, 8, 2, 64, 1e-5, 10000, 64, true, List.of(), NONE, NONE);
    assertThat(MicroBatches.tokens(wide, Precision.FP32)).isEqualTo(256);
    assertThat(MicroBatches.tokens(wide, Precision.BF16)).isEqualTo(512);
    assertThat(MicroBatches.tokens(TinyModel.CONFIG, Precision.FP32)).isEqualTo(512);
    assertThat(MicroBatches.tokens(TinyModel.CONFIG, Precision.BF16)).isEqualTo(512);
  }

  @Property
  void packed_hasEachItemOnce_withinTheLimit_andLanesHaveTheSameWork(
      @ForAll("items") List<int[]> items,
      @ForAll @IntRange(min = 1, max = 300) int tokens,
      @ForAll @IntRange(min = 1, max = 5) int lanes) {
    List<MicroBatch> batches = MicroBatches.packed(items, tokens, lanes);
    assertEachOnce(items, batches);
    long[] work = new long[lanes];
    int longest = 0;
    for (MicroBatch batch : batches) {
      int[] lengths = lengths(items, batch.items());
      if (batch.items().size() > 1) {
        assertThat(Section.tokens(Section.several(lengths))).isLessThanOrEqualTo(tokens);
      }
      work[batch.lane()] += IntStream.of(lengths).sum();
    }
    for (int[] item : items) {
      longest = Math.max(longest, IntStream.of(item).sum());
    }
    Arrays.sort(work);
    assertThat(work[lanes - 1] - work[0]).isLessThanOrEqualTo(longest);
    assertThat(MicroBatches.packed(items, tokens, lanes)).isEqualTo(batches);
  }

  private static void assertEachOnce(List<int[]> items, List<MicroBatch> batches) {
    assertThat(batches.stream().flatMap(batch -> batch.items().stream()))
        .containsExactlyInAnyOrderElementsOf(IntStream.range(0, items.size()).boxed().toList());
    assertThat(batches.stream().map(MicroBatch::number))
        .containsExactlyElementsOf(IntStream.range(0, batches.size()).boxed().toList());
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
