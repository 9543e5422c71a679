package dev.troupe.actors.role;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Names are a node's letter and a number. */
class LendingTest {
  private final Lending<String> lending = new Lending<>(name -> name.substring(0, 1));

  private static Lending.Loan<String> loan(String lender, String borrower) {
    return new Lending.Loan<>(lender, borrower);
  }

  @Test
  void next_oneOfEachNodeByWire_theOthersFromIt() {
    lending.has("p");
    List.of("a1", "a2", "b1", "a3").forEach(lending::wants);
    assertThat(lending.next()).contains(loan("p", "a1"));
    assertThat(lending.next()).contains(loan("p", "b1"));
    assertThat(lending.next()).isEmpty();
    lending.done(loan("p", "b1"));
    assertThat(lending.next()).isEmpty();
    lending.done(loan("p", "a1"));
    assertThat(lending.next()).contains(loan("a1", "a2"));
    assertThat(lending.next()).contains(loan("a1", "a3"));
    assertThat(lending.next()).isEmpty();
  }

  @Test
  void next_onTheLendersOwnNode_first() {
    lending.has("p0");
    List.of("a1", "p1").forEach(lending::wants);
    assertThat(lending.next()).contains(loan("p0", "p1"));
    assertThat(lending.next()).contains(loan("p0", "a1"));
  }

  @Test
  void next_twoAtATime_thenFromWhoeverHasIt() {
    lending.has("p");
    List.of("a", "b", "c", "d", "e").forEach(lending::wants);
    assertThat(lending.next()).contains(loan("p", "a"));
    assertThat(lending.next()).contains(loan("p", "b"));
    assertThat(lending.next()).isEmpty();
    lending.done(loan("p", "a"));
    assertThat(lending.next()).contains(loan("p", "c"));
    assertThat(lending.next()).contains(loan("a", "d"));
    assertThat(lending.next()).contains(loan("a", "e"));
  }

  @Test
  void failed_whoWasToBringIt_isMadeUpForByAnother() {
    lending.has("p");
    List.of("a1", "a2").forEach(lending::wants);
    assertThat(lending.next()).contains(loan("p", "a1"));
    assertThat(lending.next()).isEmpty();
    lending.failed(loan("p", "a1"));
    assertThat(lending.next()).contains(loan("p", "a2"));
    lending.wants("a1");
    assertThat(lending.next()).isEmpty();
    lending.failed(loan("p", "a2"));
    assertThat(lending.next()).contains(loan("p", "a1"));
    lending.lost("a1");
    lending.failed(loan("p", "a1"));
    assertThat(lending.next()).isEmpty();
  }

  @Test
  void lost_lenderOrBorrower_isAskedNoMore() {
    lending.has("p");
    lending.has("a1");
    List.of("b1", "b2", "c1").forEach(lending::wants);
    lending.lost("p");
    lending.lost("b1");
    assertThat(lending.next()).contains(loan("a1", "b2"));
    assertThat(lending.next()).contains(loan("a1", "c1"));
    assertThat(lending.next()).isEmpty();
  }

  @Test
  void wants_whereItIs_waitsForThat() {
    lending.has("a1");
    lending.wants("a2");
    lending.wants("a3");
    assertThat(lending.next()).contains(loan("a1", "a2"));
    assertThat(lending.next()).contains(loan("a1", "a3"));
  }
}
