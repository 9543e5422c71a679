package dev.troupe.launcher.bench;

/**
 * What the design asks of a figure.
 *
 * @param bound that the figure may just reach
 */
public record Demand(Sense sense, double bound) {
  /** On which side of the bound a figure is to lie. */
  public enum Sense {
    AT_MOST("atMost", "at most"),
    AT_LEAST("atLeast", "at least");

    private final String key;
    private final String words;

    Sense(String key, String words) {
      this.key = key;
      this.words = words;
    }

    /** Its name in JSON. */
    String key() {
      return key;
    }
  }

  static Demand atMost(double bound) {
    return new Demand(Sense.AT_MOST, bound);
  }

  static Demand atLeast(double bound) {
    return new Demand(Sense.AT_LEAST, bound);
  }

  /** Whether a figure keeps to it; one that is no number does not. */
  boolean isMet(double figure) {
    return sense == Sense.AT_MOST ? figure <= bound : figure >= bound;
  }

  /** For people: the bound, and whether a figure keeps to it. */
  String text(double figure) {
    String shown = bound == Math.rint(bound) ? Long.toString((long) bound) : Double.toString(bound);
    return "demanded " + sense.words + " " + shown + (isMet(figure) ? ": met" : ": missed");
  }
}
