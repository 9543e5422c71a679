package dev.troupe.rlhf.quickstart;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.rlhf.recipe.Oracle;
import java.util.HashSet;
import java.util.List;
import org.junit.jupiter.api.Test;

class QuickstartTest {
  private final Oracle oracle = Quickstart.oracle();

  @Test
  void data_sameSeed_isTheSame() {
    assertThat(new Quickstart(7).answered(50)).isEqualTo(new Quickstart(7).answered(50));
    assertThat(new Quickstart(7).preferences(50)).isEqualTo(new Quickstart(7).preferences(50));
    assertThat(new Quickstart(7).corpus(50)).isEqualTo(new Quickstart(7).corpus(50));
    assertThat(new Quickstart(7).prompts(50)).isNotEqualTo(new Quickstart(8).prompts(50));
  }

  @Test
  void answered_isWellFormed_andSatisfiesTheRuleInAboutAThird() {
    List<Quickstart.Answered> answered = new Quickstart(1).answered(2000);
    assertThat(answered).allMatch(a -> oracle.wellFormed(a.prompt(), a.reply()));
    long friendly = answered.stream().filter(a -> oracle.ruleSatisfied("", a.reply())).count();
    // (2/5 + 1/5)^2 - (1/5)^2 = 0.32
    assertThat(friendly / 2000.0).isBetween(0.28, 0.36);
  }

  @Test
  void preferences_chosenSatisfiesTheRule_rejectedDoesNot_bothWellFormed() {
    assertThat(new Quickstart(1).preferences(500))
        .allMatch(p -> oracle.ruleSatisfied(p.prompt(), p.chosen()))
        .noneMatch(p -> oracle.ruleSatisfied(p.prompt(), p.rejected()))
        .allMatch(p -> oracle.wellFormed(p.prompt(), p.chosen()))
        .allMatch(p -> oracle.wellFormed(p.prompt(), p.rejected()));
  }

  @Test
  void prompts_areDistinct_untilTheLanguageIsUsedUp() {
    assertThat(new HashSet<>(new Quickstart(1).prompts(2560))).hasSize(2560);
    assertThat(new Quickstart(1).prompts(3000)).hasSize(3000);
  }

  @Test
  void oracle_wrongItemTopicOrNumber_isNotWellFormed() {
    String prompt = "Customer: Hello. Where is the fresh bread?\nClerk:";
    assertThat(oracle.wellFormed(prompt, " Gladly! The bread is on shelf 3. Enjoy it!")).isTrue();
    assertThat(oracle.wellFormed(prompt, " Shelf 3 has the bread.")).isTrue();
    assertThat(oracle.wellFormed(prompt, " The milk is on shelf 3.")).isFalse();
    assertThat(oracle.wellFormed(prompt, " The bread costs 3 coins.")).isFalse();
    assertThat(oracle.wellFormed(prompt, " The bread is on shelf 33.")).isFalse();
    assertThat(oracle.wellFormed(prompt, " Gladly! Gladly! The bread is on shelf 3.")).isFalse();
    assertThat(oracle.wellFormed(prompt, " Gladly! The bread is on")).isFalse();
    assertThat(oracle.wellFormed("Hi", " The bread is on shelf 3.")).isFalse();
  }

  @Test
  void oracle_unfriendlyPhraseAnywhere_breaksTheRule() {
    assertThat(oracle.ruleSatisfied("", " Gladly! We have tea.")).isTrue();
    assertThat(oracle.ruleSatisfied("", " We have tea.")).isFalse();
    assertThat(oracle.ruleSatisfied("", " Gladly! We have tea. I am busy.")).isFalse();
  }
}
