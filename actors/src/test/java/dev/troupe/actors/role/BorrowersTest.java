package dev.troupe.actors.role;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Names are a node's letter and a number. */
class BorrowersTest {
  private final Borrowers<String> borrowers = new Borrowers<>(name -> name.substring(0, 1));

  @Test
  void next_oneOfEachNodeByWire_theOthersFromIt() {
    borrowers.reached("p");
    List.of("a1", "a2", "b1", "a3").forEach(borrowers::add);
    assertThat(borrowers.next("p")).isEqualTo("a1");
    assertThat(borrowers.next("p")).isEqualTo("b1");
    assertThat(borrowers.next("p")).isNull();
    assertThat(borrowers.next("b")).isNull();
    assertThat(borrowers.next("a")).isEqualTo("a2");
    assertThat(borrowers.next("a")).isEqualTo("a3");
    assertThat(borrowers.next("a")).isNull();
  }

  @Test
  void next_onTheLendersOwnNode_first() {
    borrowers.reached("p");
    List.of("a1", "p1").forEach(borrowers::add);
    assertThat(borrowers.next("p")).isEqualTo("p1");
    assertThat(borrowers.next("p")).isEqualTo("a1");
  }

  @Test
  void lost_whoWasToBringIt_isMadeUpForByAnother() {
    borrowers.reached("p");
    List.of("a1", "a2").forEach(borrowers::add);
    assertThat(borrowers.next("p")).isEqualTo("a1");
    assertThat(borrowers.next("p")).isNull();
    borrowers.lost("a");
    assertThat(borrowers.next("p")).isEqualTo("a2");
    borrowers.add("a1");
    borrowers.lost("a");
    assertThat(borrowers.next("p")).isEqualTo("a1");
    borrowers.lost("a");
    assertThat(borrowers.next("p")).isNull();
  }

  @Test
  void add_whereItIs_waitsForThat() {
    borrowers.add("a1");
    borrowers.reached("a");
    assertThat(borrowers.next("p")).isNull();
    assertThat(borrowers.next("a")).isEqualTo("a1");
  }
}
