package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Map;
import org.junit.jupiter.api.Test;

class RunReportTest {
  private static final String SUMMARY =
      """
      {"stages": [{"stage": "ppo", "seconds": 1.5, "kl": 0.25,
        "before": {"metrics": {"score": -1, "ruleSatisfied": 0.25},
          "replies": [{"prompt": "a", "reply": "no"}, {"prompt": "b", "reply": "never"}]},
        "after": {"metrics": {"score": 2, "ruleSatisfied": 1},
          "replies": [{"prompt": "a", "reply": "yes"}, {"prompt": "b", "reply": "gladly"}]},
        "account": {"issued": 4, "trained": 3, "dropped": {"empty response": 1}}}]}
      """;

  private static String printed(int samples) throws Exception {
    StringWriter out = new StringWriter();
    RunReport.print(SUMMARY, Map.of("ppo", samples), new PrintWriter(out));
    return out.toString();
  }

  @Test
  void print_tellsMeasuresAndBooks() throws Exception {
    assertThat(printed(1))
        .contains("ppo          1.5 s  KL 0.2500\n")
        .contains("  rule satisfied               25.0 %    100.0 %\n")
        .contains("  ppo       issued 4, trained 3, dropped 1 empty response\n");
  }

  @Test
  void print_showsAsManyRepliesAsAskedFor() throws Exception {
    assertThat(printed(0)).doesNotContain("  prompt  ");
    assertThat(printed(1))
        .contains("  prompt  a\n  before  no\n  after   yes\n")
        .doesNotContain("gladly");
    assertThat(printed(2)).contains("  prompt  b\n  before  never\n  after   gladly\n");
    assertThat(printed(9)).isEqualTo(printed(2));
  }

  @Test
  void samples_areCutToWhatAPersonReads() {
    String words = "word ".repeat(100);
    assertThat(RunReport.end(words + "the question?"))
        .startsWith("… word word")
        .endsWith("word the question?")
        .hasSizeLessThan(170);
    assertThat(RunReport.beginning("The answer. " + words))
        .startsWith("The answer. word")
        .endsWith("word … (275 more letters)")
        .hasSizeLessThan(270);
    assertThat(RunReport.beginning("x".repeat(300)))
        .isEqualTo("x".repeat(240) + " … (60 more letters)");
    assertThat(RunReport.end("x".repeat(300))).isEqualTo("… " + "x".repeat(160));
  }

  @Test
  void samples_loseTheMarksOfAChatTemplate() {
    assertThat(RunReport.end("<|im_start|>user\nHi  there<|im_end|>\n<|im_start|>assistant\n"))
        .isEqualTo("user ⏎ Hi there ⏎ assistant");
    assertThat(RunReport.end("<bos><start_of_turn>user\n\nHi<end_of_turn>\n"))
        .isEqualTo("user ⏎ Hi");
    assertThat(RunReport.end("<s>[INST] a <b> c [/INST]")).isEqualTo("a <b> c");
  }

  private static String printed(String stage) throws Exception {
    StringWriter out = new StringWriter();
    RunReport.print("{\"stages\": [" + stage + "]}", Map.of(), new PrintWriter(out));
    return out.toString();
  }

  @Test
  void print_dpo_tellsItsAccuracy_andTheBestState() throws Exception {
    assertThat(
            printed(
                """
                {"stage": "dpo", "seconds": 2.0, "finalLoss": 0.5,
                 "accuracy": {"share": 0.75, "low": 0.63, "high": 0.84, "hits": 48, "total": 64},
                 "best": {"metric": "heldOutAccuracy", "step": 20, "value": 0.75},
                 "stoppedEarly": true}
                """))
        .contains(
            "  dpo          2.0 s  loss 0.5000  held-out accuracy 75.0 % (95 %: 63.0 to 84.0, n = 64)"
                + "  best heldOutAccuracy 0.7500 after step 20  (stopped early)\n");
  }

  @Test
  void print_whatWasNotMeasured_isADash_andNeverZero() throws Exception {
    String stopped =
        printed(
            """
            {"stage": "ppo", "seconds": 2.0, "kl": null, "cancelled": true, "after": null,
             "winRate": null, "before": {"metrics": {"score": 1.5},
              "replies": [{"prompt": "a", "reply": "b"}]}}
            """);
    assertThat(stopped)
        .contains("ppo          2.0 s  (interrupted)\n")
        .contains("on held-out prompts            before  after PPO\n")
        .contains("  score (reward model)         1.5000          –\n")
        .contains("  before  b\n  after   –\n")
        .doesNotContain("win rate");
    assertThat(printed("{\"stage\": \"sft\", \"heldOutLossBefore\": null, \"finalLoss\": null}"))
        .doesNotContain("held-out loss")
        .doesNotContain("loss");
  }

  @Test
  void samples_areNeverCutWithinACharacter() {
    String family = "👩‍👩‍👧";
    assertThat(RunReport.beginning("x".repeat(236) + family + "y".repeat(9)))
        .isEqualTo("x".repeat(236) + family + " … (9 more letters)");
    assertThat(RunReport.end("x".repeat(9) + family + "y".repeat(156)))
        .isEqualTo("… " + "y".repeat(156));
  }
}
