package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Experience;
import dev.troupe.rlhf.port.Observer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Keeps what it hears, and cancels after a number of steps. */
final class Recording implements Observer {
  final List<Map<String, Double>> steps = new ArrayList<>();
  final List<String> notices = new ArrayList<>();
  final List<String> infos = new ArrayList<>();
  final List<Experience> experiences = new ArrayList<>();
  private final int cancelAfter;

  Recording() {
    this(Integer.MAX_VALUE);
  }

  Recording(int cancelAfter) {
    this.cancelAfter = cancelAfter;
  }

  @Override
  public void step(
      String stage,
      long step,
      long totalSteps,
      Map<String, Double> metrics,
      Map<String, Double> phaseSeconds) {
    steps.add(metrics);
  }

  @Override
  public void experiences(String stage, long step, List<Experience> experiences) {
    this.experiences.addAll(experiences);
  }

  @Override
  public void notice(String stage, String text) {
    notices.add(text);
  }

  @Override
  public void info(String stage, String text) {
    infos.add(text);
  }

  @Override
  public boolean cancelled() {
    return steps.size() >= cancelAfter;
  }
}
