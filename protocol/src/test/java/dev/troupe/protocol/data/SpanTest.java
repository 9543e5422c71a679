package dev.troupe.protocol.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

final class SpanTest {
  @Test
  void five_areThreeAndTwo_byHand() {
    Map<Span, String> each = new HashMap<>();
    for (int i = 0; i < 5; i++) {
      each.put(new Span(i, i + 1), String.valueOf(i));
    }
    assertThat(new Span(0, 5).sum(each, (a, b) -> "(" + a + b + ")")).isEqualTo("(((01)2)(34))");
  }

  @Test
  void within_namesTheFewestParts_byHand() {
    Span whole = new Span(0, 8);
    assertThat(whole.within(0, 4)).containsExactly(new Span(0, 4));
    assertThat(whole.within(3, 7)).containsExactly(new Span(3, 4), new Span(4, 6), new Span(6, 7));
    assertThat(whole.within(0, 8)).containsExactly(whole);
    assertThat(whole.within(5, 5)).isEmpty();
  }

  /** Wherever the numbers are parted, the parts' sums give the whole's, in the same order. */
  @Property
  void sum_isTheSame_howeverTheNumbersAreShared(
      @ForAll @IntRange(min = 1, max = 40) int size, @ForAll @IntRange(min = 1, max = 9) int of) {
    Map<Span, String> each = new HashMap<>();
    for (int i = 0; i < size; i++) {
      each.put(new Span(i, i + 1), i + " ");
    }
    Span whole = new Span(0, size);
    Map<Span, String> shared = new HashMap<>();
    for (int rank = 0; rank < of; rank++) {
      List<Span> parts = whole.within(size * rank / of, size * (rank + 1) / of);
      assertThat(parts).allMatch(whole::parts);
      parts.forEach(part -> shared.put(part, part.sum(each, SpanTest::plus)));
    }
    assertThat(whole.sum(shared, SpanTest::plus)).isEqualTo(whole.sum(each, SpanTest::plus));
  }

  private static String plus(String one, String other) {
    return "(" + one + other + ")";
  }

  @Test
  void sum_ofTooFewParts_namesTheMicroBatch() {
    Span whole = new Span(0, 4);
    assertThatThrownBy(() -> whole.sum(Map.of(new Span(0, 2), 1), Integer::sum))
        .hasMessage("nothing is known of the micro-batch 2");
    assertThat(whole.parts(new Span(1, 3))).isFalse();
  }
}
