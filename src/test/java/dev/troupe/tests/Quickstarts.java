package dev.troupe.tests;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The quickstart's configuration as tests run it. */
final class Quickstarts {
  static final Path ROOT = Path.of(System.getProperty("troupe.root"));
  static final Path CONFIGURATION = ROOT.resolve("configs/quickstart.conf");

  private Quickstarts() {}

  /** The whole, into {@code output}, without a page. */
  static List<String> whole(Path output) {
    return List.of(
        "output=\"" + output + "\"",
        "model=\"" + ROOT.resolve("configs/quickstart-base") + "\"",
        "dashboard.enabled=false");
  }

  /** Few samples and two PPO iterations: every part at work, nothing learned. */
  static List<String> shortened(Path output) {
    List<String> overrides = new ArrayList<>(whole(output));
    overrides.addAll(
        List.of(
            "quickstart.answered=192",
            "quickstart.preferences=160",
            "quickstart.prompts=160",
            "ppo.iterations=2",
            "ppo.prompts-per-iteration=32",
            "ppo.evaluation.held-out=16"));
    return overrides;
  }
}
