package dev.troupe.dashboard;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.openqa.selenium.Keys;

/** The page as people meet it: a run's event file grows, and a real browser shows it. */
final class BrowserTest {
  /** How many of the charts in sight have a drawn pixel in the colour of a line or area. */
  private static final String DRAWN_CHARTS =
      """
      [...document.querySelectorAll('#charts canvas')].filter((canvas) => {
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let coloured = 0;
        for (let i = 0; i < pixels.length; i += 4) {
          const spread = Math.max(pixels[i], pixels[i + 1], pixels[i + 2]) - Math.min(pixels[i], pixels[i + 1], pixels[i + 2]);
          if (pixels[i + 3] > 128 && spread > 60) coloured++;
        }
        return coloured > 50;
      }).length""";

  private static Browser browser;

  @TempDir Path directory;
  private SampleRun run;
  private DashboardServer server;

  @BeforeAll
  static void openBrowser() throws IOException {
    browser = new Browser();
  }

  @AfterAll
  static void closeBrowser() throws IOException {
    if (browser != null) {
      browser.close();
    }
  }

  @BeforeEach
  void start() {
    run = new SampleRun(directory, Instant.now());
    server = DashboardServer.start(directory, DashboardServer.DEFAULT_HOST, 0);
    browser.resize(1440, 900);
    browser.requests();
    browser.complaints();
  }

  @AfterEach
  void stop() {
    // Else this page would ask for its server, and complain, while the next test runs.
    browser.open(URI.create("about:blank"));
    server.close();
    run.close();
  }

  private void assertNothingWentWrong() {
    assertThat(browser.complaints()).isEmpty();
    assertThat(browser.requests())
        .isNotEmpty()
        .allSatisfy(url -> assertThat(url).matches("(data:.*|" + server.url() + ".*)"));
  }

  @Test
  void page_followsARunFromNothingToItsEnd() {
    browser.open(server.url());
    browser.await("!document.querySelector('#empty').hidden");
    browser.await("document.querySelector('#state').textContent === 'waiting'");

    run.writeUntilPpoStep(30);
    browser.await("document.querySelector('#run-name').textContent === 'quickstart'");
    browser.await(
        "document.querySelector('[data-stage=ppo]').textContent.includes('step 30 of 120')");
    browser.await("document.querySelector('#empty').hidden");
    browser.await(DRAWN_CHARTS + " === 6");
    assertThat(browser.all("#actors tbody tr")).hasSize(4);
    assertThat(browser.all("#members li")).hasSize(3);
    assertThat(browser.all("#rollouts tbody tr")).hasSize(12);

    // Live: without a reload.
    browser.evaluate("(window.sameDocument = true)");
    run.ppo(31);
    browser.await(
        "document.querySelector('[data-stage=ppo]').textContent.includes('step 31 of 120')");
    browser.await("document.querySelector('#rollouts tbody td').textContent === '31'");

    run.complete();
    browser.await("document.querySelector('#state').textContent === 'completed'");
    browser.await(
        "document.querySelector('#outcome').textContent.startsWith('The run is complete')");
    browser.await("document.querySelector('#results').textContent.includes('Win rate')");
    browser.await("!document.querySelector('#summary').hidden");
    assertThat(browser.find("#summary").getText())
        .contains(
            "Score (reward model) −0.610 2.97",
            "Rule satisfied 33.6 % 96.1 %",
            "Response length – 21.4",
            "Win rate against SFT: 91.4 % (95 %: 85.3 to 95.1, n = 128)",
            "SFT 1280 1268 12 too long",
            "Reward model 1024 1024 none",
            "96.9 % (95 %: 89.3 to 99.1, n = 64)",
            "Score 2.97 after step 80",
            "A lovely question! I like tea.")
        .doesNotContain("oracle", "NaN", "null", "too many");
    assertThat(browser.evaluate("window.sameDocument")).isEqualTo(true);
    assertNothingWentWrong();
  }

  @Test
  void stage_chosen_showsItsCharts() {
    run.writeUntilPpoStep(5);
    browser.open(server.url());
    browser.await("document.querySelectorAll('#charts .chart').length === 6");
    browser.find("[data-stage=reward]").click();
    browser.await(
        "document.querySelector('#charts-title').textContent === 'Reward model progress'");
    browser.await("document.querySelector('#charts').textContent.includes('Accuracy')");
    assertThat(browser.find("[data-stage=reward]").getDomAttribute("aria-pressed"))
        .isEqualTo("true");
    assertNothingWentWrong();
  }

  @Test
  void rollout_opened_showsItsTokens() {
    run.writeUntilPpoStep(5);
    browser.open(server.url());
    browser.await("document.querySelectorAll('#rollouts tbody tr').length === 10");
    // By keyboard, as someone without a mouse would.
    browser.find("#rollouts tbody tr button").sendKeys(Keys.ENTER);
    browser.await("document.querySelector('#rollout').open");
    browser.await("document.querySelectorAll('#rollout-tokens .token').length > 3");
    int tokens = browser.all("#rollout-tokens .token").size();
    assertThat(browser.all("#token-table tbody tr")).hasSize(tokens);
    assertThat(browser.find("#token-table thead").getText())
        .contains("Logprob", "Reference logprob", "Value", "Reward", "Advantage");
    assertThat(browser.evaluate(colours("advantages"))).isEqualTo(true);
    assertThat(browser.evaluate(colours("logprobs"))).isEqualTo(true);
    browser.find("#rollout-close").click();
    browser.await("!document.querySelector('#rollout').open");
    assertNothingWentWrong();
  }

  /** Whether the column of choice colours more than one token, in more than one strength. */
  private static String colours(String column) {
    return String.format(
        Locale.ROOT,
        """
        ((select) => {
          select.value = '%s';
          select.dispatchEvent(new Event('change'));
          const tokens = [...document.querySelectorAll('#rollout-tokens .token')];
          return new Set(tokens.map((token) => getComputedStyle(token).backgroundColor)).size > 2;
        })(document.querySelector('#colour'))""",
        column);
  }

  @Test
  void textOfAModel_staysText() {
    String attack =
        "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=1</script>\"'><svg onload=window.hacked=1>";
    run.start();
    run.startPpo();
    run.ppo(1);
    run.rolloutOf(attack, attack);
    run.end("failed", attack);
    browser.open(server.url());
    browser.await("document.querySelectorAll('#rollouts tbody tr').length === 3");
    assertThat(browser.find("#rollouts tbody tr button").getText()).startsWith("<img src=x");
    assertThat(browser.find("#outcome").getText()).contains("<script>window.hacked=1</script>");
    browser.find("#rollouts tbody tr button").click();
    browser.await("document.querySelector('#rollout').open");
    assertThat(browser.find("#rollout-prompt").getText()).isEqualTo(attack);
    assertThat(
            browser.all("main img, main svg, main script, dialog img, dialog svg, dialog script"))
        .isEmpty();
    assertThat(browser.evaluate("window.hacked === undefined")).isEqualTo(true);
    assertNothingWentWrong();
  }

  @Test
  void phone_hasNoSidewaysScroll() {
    run.writeUntilPpoStep(10);
    run.rolloutOf("a-prompt-without-a-blank-".repeat(30), "word".repeat(200));
    browser.resize(390, 844);
    browser.open(server.url());
    browser.await(DRAWN_CHARTS + " === 6");
    assertThat(browser.evaluate("document.documentElement.scrollWidth")).isEqualTo(390L);
    browser.find("#rollouts tbody tr button").click();
    browser.await("document.querySelector('#rollout').open");
    assertThat(browser.evaluate("document.documentElement.scrollWidth")).isEqualTo(390L);
    assertThat(
            browser.evaluate(
                "document.querySelector('.dialog-body').scrollWidth <= document.querySelector('.dialog-body').clientWidth"))
        .isEqualTo(true);
    browser.find("#rollout-close").click();
    run.complete();
    browser.await("!document.querySelector('#summary').hidden");
    assertThat(browser.evaluate("document.documentElement.scrollWidth")).isEqualTo(390L);
    assertNothingWentWrong();
  }

  @Test
  void accuracy_endsAtAHundred_andStepsWithoutANumberAreGaps() {
    run.start();
    run.reward();
    browser.open(server.url());
    browser.await("document.querySelector('#charts').textContent.includes('Accuracy')");
    browser.await(axisEnd("Accuracy") + " === 100");
    // The axis of a measure without a bound leaves room.
    assertThat(browser.evaluate(axisEnd("Loss") + " > 0.6")).isEqualTo(true);
    run.step("reward", 63, 64, Map.of("accuracy", 1.0, "loss", 0.5), Map.of());
    run.step("reward", 64, 64, Map.of("accuracy", Double.NaN, "loss", 0.5), Map.of());
    browser.await(card("Accuracy") + ".querySelector('.value').textContent === '–'");
    browser.await(axisEnd("Accuracy") + " === 100");
    assertThat(browser.find("#charts").getText()).doesNotContain("NaN");
    assertNothingWentWrong();
  }

  @Test
  void shares_sideBySide_arePercentToo() {
    run.start();
    run.reward();
    run.step("grpo", 1, 1, Map.of("ruleSatisfied", 1.0, "heldOutRuleSatisfied", 0.985), Map.of());
    browser.open(server.url());
    browser.await(card("Rule satisfied") + " !== undefined");
    browser.await(
        card("Rule satisfied") + ".textContent.includes('Held out rule satisfied 98.5 %')");
    browser.await(card("Rule satisfied") + ".textContent.includes('Rule satisfied 100 %')");
    assertThat(browser.find("#charts").getText()).doesNotContain("Grpo");
    assertNothingWentWrong();
  }

  /** By the names that the user gave; a reward's own parts are further metrics. */
  @Test
  void rewards_areSideBySide_whereThereAreSeveral() {
    run.start();
    run.reward();
    Map<String, Double> first =
        Map.of("score", 0.5, "rewards.right", 0.25, "rewards.goodForm", 0.5);
    run.step("grpo", 1, 2, first, Map.of());
    browser.open(server.url());
    browser.await(card("Rewards") + " !== undefined");
    browser.await(card("Rewards") + ".textContent.includes('goodForm 0.500')");
    browser.await(card("Rewards") + ".textContent.includes('right 0.250')");
    Map<String, Double> second =
        Map.of(
            "score",
            1.0,
            "rewards.right",
            0.75,
            "rewards.goodForm",
            -1.5,
            "rewards.right.tests",
            0.9);
    run.step("grpo", 2, 2, second, Map.of());
    browser.await(card("Rewards") + ".textContent.includes('goodForm −1.50')");
    browser.await(card("Rewards") + ".textContent.includes('right 0.750')");
    browser.await("document.querySelector('#more').textContent.includes('Rewards right tests')");
    assertThat(
            browser.evaluate(
                "Chart.getChart("
                    + card("Rewards")
                    + ".querySelector('canvas')).data.datasets.length"))
        .isEqualTo(2L);
    assertNothingWentWrong();
  }

  /** One reward alone is the score once more. */
  @Test
  void rewards_oneAlone_isAFurtherMetric() {
    run.start();
    run.reward();
    run.step("grpo", 1, 1, Map.of("score", 0.5, "rewards.right", 0.5), Map.of());
    browser.open(server.url());
    browser.await("document.querySelector('#more').textContent.includes('Rewards right')");
    assertThat(browser.evaluate(card("Rewards") + "?.parentElement?.id ?? 'none'"))
        .isEqualTo("more-charts");
    assertNothingWentWrong();
  }

  private static String card(String title) {
    return "[...document.querySelectorAll('.chart')].find((card) => card.querySelector('h3').textContent.startsWith('"
        + title
        + "'))";
  }

  private static String axisEnd(String title) {
    return "Chart.getChart(" + card(title) + ".querySelector('canvas')).scales.y.max";
  }

  /** Whatever the system prefers, one click shows the other scheme and the next one the first. */
  @Test
  void scheme_changesAtEachClick() {
    String light = "getComputedStyle(document.body).backgroundColor === 'rgb(246, 245, 242)'";
    String dark = "getComputedStyle(document.body).backgroundColor === 'rgb(20, 22, 27)'";
    run.writeUntilPpoStep(3);
    browser.prefer("light");
    browser.open(server.url());
    browser.await(light);
    browser.find("#theme").click();
    browser.await(dark);
    browser.open(server.url());
    browser.await(dark);
    browser.find("#theme").click();
    browser.await(light);
    // It follows the system again.
    browser.prefer("dark");
    browser.await(dark);
    browser.find("#theme").click();
    browser.await(light);
    browser.find("#theme").click();
    browser.await(dark);
    browser.prefer("light");
    browser.await(light);
    assertNothingWentWrong();
  }

  @Test
  void serverGone_isSaid() {
    run.writeUntilPpoStep(3);
    browser.open(server.url());
    browser.await("document.querySelectorAll('#rollouts tbody tr').length === 6");
    server.close();
    browser.await("document.querySelector('#state').textContent === 'offline'");
    browser.await("!document.querySelector('#offline').hidden");
    // What was seen stays.
    assertThat(browser.all("#rollouts tbody tr")).hasSize(6);
    server = DashboardServer.start(directory, DashboardServer.DEFAULT_HOST, server.port());
    browser.await("document.querySelector('#state').textContent === 'running'");
    browser.await("document.querySelector('#offline').hidden");
    browser.complaints();
  }
}
