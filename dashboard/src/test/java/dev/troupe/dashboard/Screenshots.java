package dev.troupe.dashboard;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;

/** Takes the pictures of the page that people look at before a change of it lands. */
final class Screenshots {
  private static final String DRAWN =
      "document.querySelectorAll('.chart canvas').length > 3 && !document.querySelector('#rollouts-section').hidden";

  private Screenshots() {}

  /** The argument is the folder of the pictures. */
  public static void main(String[] arguments) throws IOException, InterruptedException {
    Path pictures = Files.createDirectories(Path.of(arguments[0]));
    Path directory = Files.createTempDirectory("troupe-sample");
    try (SampleRun run =
            new SampleRun(directory, Instant.now().minus(Duration.ofSeconds(74 + 107)));
        DashboardServer server = DashboardServer.start(directory, DashboardServer.DEFAULT_HOST, 0);
        Browser browser = new Browser()) {
      browser.resize(1440, 900);
      browser.prefer("light");
      browser.open(server.url());
      browser.await("!document.querySelector('#empty').hidden");
      browser.screenshot(pictures.resolve("empty.png"), false);
      run.writeUntilPpoStep(84);
      for (String scheme : new String[] {"light", "dark"}) {
        browser.prefer(scheme);
        browser.resize(1440, 900);
        browser.open(server.url());
        browser.await(DRAWN);
        Thread.sleep(900); // Charts move into place.
        browser.screenshot(pictures.resolve("laptop-" + scheme + ".png"), false);
        browser.screenshot(pictures.resolve("laptop-" + scheme + "-whole.png"), true);
        browser.find("#rollouts tbody tr button").click();
        browser.await("document.querySelector('#rollout').open");
        Thread.sleep(300);
        browser.screenshot(pictures.resolve("rollout-" + scheme + ".png"), false);
        browser.find("#rollout-close").click();
        browser.resize(390, 844);
        browser.evaluate("window.scrollTo(0, 0)");
        Thread.sleep(900);
        browser.screenshot(pictures.resolve("phone-" + scheme + ".png"), false);
        browser.screenshot(pictures.resolve("phone-" + scheme + "-whole.png"), true);
        browser.find("#rollouts tbody tr button").click();
        Thread.sleep(300);
        browser.screenshot(pictures.resolve("phone-rollout-" + scheme + ".png"), false);
      }
      browser.prefer("light");
      browser.resize(1440, 900);
      run.complete();
      browser.open(server.url());
      browser.await(DRAWN);
      Thread.sleep(900);
      browser.screenshot(pictures.resolve("completed.png"), false);
      browser.resize(390, 844);
      Thread.sleep(900);
      browser.screenshot(pictures.resolve("completed-phone.png"), true);
      System.out.println(browser.complaints());
    }
  }
}
