package dev.troupe.rlhf.reward;

import dev.troupe.rlhf.port.Score;
import java.util.Map;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * 1 where the last quantity of the answer is the reference's: a number, a fraction (1/2), a mixed
 * number (1 1/2) or a power of ten (1.5e3, 2×10^3), with or without a unit. Units of one kind are
 * converted (1.5 km is 1500 m; 50 % is 0.5); where one of the two has none that is known, the
 * numbers alone are compared. A quantity beyond a double's range, as one over 0, equals nothing.
 *
 * @param tolerance relative, at least 0
 */
public record QuantityAnswer(double tolerance) implements Rule {
  private static final int LONGEST = 100;
  private static final Pattern QUANTITY =
      Pattern.compile(
          // Most letters begin none: the first look ahead passes them by.
          "(?=[-−+$€£¥.\\d])(?<![\\w.])([-−+]?)\\s?([$€£¥]?)\\s?"
              + "(?:(\\d{1,9})\\s+(\\d{1,9})/(\\d{1,9})(?![\\d/])" // 1 1/2
              + "|(\\d{1,30})/(\\d{1,30})(?![\\d/])" // 1/2
              + "|((?:\\d{1,3}(?:,\\d{3}){1,10}(?!\\d)|\\d{1,30}(?!\\d))(?:\\.\\d{1,30})?|\\.\\d{1,30})"
              + "(?:[eE]([-+]?\\d{1,3})(?!\\w)|\\s?[×x*]\\s?10\\^\\{?([-+−]?\\d{1,3})\\}?)?)"
              + "\\s?(%|°C|°F|[µA-Za-z]{1,12}(?:\\^?[23²³])?(?:/[A-Za-z]{1,8}(?:\\^?[23²³])?)?)?");

  /** A unit's kind, and how many of the kind's first unit it is. */
  private record Unit(String kind, double factor) {}

  private static final Map<String, Unit> UNITS =
      Map.ofEntries(
          unit("%", "share", 0.01),
          unit("percent", "share", 0.01),
          unit("m", "length", 1),
          unit("meter", "length", 1),
          unit("meters", "length", 1),
          unit("metres", "length", 1),
          unit("km", "length", 1000),
          unit("cm", "length", 0.01),
          unit("mm", "length", 0.001),
          unit("µm", "length", 1e-6),
          unit("inch", "length", 0.0254),
          unit("inches", "length", 0.0254),
          unit("ft", "length", 0.3048),
          unit("feet", "length", 0.3048),
          unit("mile", "length", 1609.344),
          unit("miles", "length", 1609.344),
          unit("kg", "mass", 1),
          unit("g", "mass", 0.001),
          unit("grams", "mass", 0.001),
          unit("mg", "mass", 1e-6),
          unit("lb", "mass", 0.45359237),
          unit("pounds", "mass", 0.45359237),
          unit("s", "time", 1),
          unit("second", "time", 1),
          unit("seconds", "time", 1),
          unit("ms", "time", 0.001),
          unit("min", "time", 60),
          unit("minute", "time", 60),
          unit("minutes", "time", 60),
          unit("h", "time", 3600),
          unit("hour", "time", 3600),
          unit("hours", "time", 3600),
          unit("day", "time", 86400),
          unit("days", "time", 86400),
          unit("L", "volume", 1),
          unit("l", "volume", 1),
          unit("liters", "volume", 1),
          unit("mL", "volume", 0.001),
          unit("ml", "volume", 0.001),
          unit("m/s", "speed", 1),
          unit("km/h", "speed", 1 / 3.6),
          unit("N", "force", 1),
          unit("kN", "force", 1000),
          unit("J", "energy", 1),
          unit("kJ", "energy", 1000),
          unit("W", "power", 1),
          unit("kW", "power", 1000));

  private static Map.Entry<String, Unit> unit(String name, String kind, double factor) {
    return Map.entry(name, new Unit(kind, factor));
  }

  private record Quantity(double number, Optional<Unit> unit) {}

  public QuantityAnswer {
    if (!(tolerance >= 0) || !Double.isFinite(tolerance)) {
      throw new IllegalArgumentException(
          "a tolerance of " + tolerance + ", must be at least 0 and finite");
    }
  }

  @Override
  public Score score(String answer, String reference) {
    Optional<Quantity> right = last(reference);
    if (right.isEmpty()) {
      return new Score.Unscored("the reference has no number", Excerpt.of(reference));
    }
    return Score.of(last(answer).filter(found -> same(found, right.get())).isPresent());
  }

  private boolean same(Quantity a, Quantity b) {
    if (a.unit().equals(b.unit())) {
      return near(a.number(), b.number());
    }
    if (a.unit().isEmpty() || b.unit().isEmpty()) {
      boolean share = a.unit().or(b::unit).filter(unit -> unit.kind().equals("share")).isPresent();
      return near(a.number(), b.number()) || (share && near(in(a), in(b)));
    }
    return a.unit().get().kind().equals(b.unit().get().kind()) && near(in(a), in(b));
  }

  private static double in(Quantity quantity) {
    return quantity.number() * quantity.unit().map(Unit::factor).orElse(1.0);
  }

  private boolean near(double a, double b) {
    double largest = Math.max(Math.abs(a), Math.abs(b));
    // Units are converted in binary numbers, so a little is always allowed; of infinity, all.
    return Double.isFinite(largest) && Math.abs(a - b) <= Math.max(tolerance, 1e-12) * largest;
  }

  private static Optional<Quantity> last(String text) {
    Optional<MatchResult> last = Optional.empty();
    Matcher matcher = QUANTITY.matcher(text);
    while (matcher.find()) {
      if (matcher.end() - matcher.start() <= LONGEST) {
        last = Optional.of(matcher.toMatchResult());
      }
    }
    return last.flatMap(QuantityAnswer::quantity);
  }

  private static Optional<Quantity> quantity(MatchResult matcher) {
    double number;
    if (matcher.group(3) != null) {
      number = whole(matcher, 3) + whole(matcher, 4) / whole(matcher, 5);
    } else if (matcher.group(6) != null) {
      number = whole(matcher, 6) / whole(matcher, 7);
    } else {
      String power = matcher.group(9) == null ? matcher.group(10) : matcher.group(9);
      number =
          Double.parseDouble(
              matcher.group(8).replace(",", "")
                  + (power == null ? "" : "e" + power.replace('−', '-')));
    }
    boolean negative = matcher.group(1).equals("-") || matcher.group(1).equals("−");
    Optional<Unit> unit = Optional.ofNullable(matcher.group(11)).map(UNITS::get);
    return Double.isFinite(number)
        ? Optional.of(new Quantity(negative ? -number : number, unit))
        : Optional.empty();
  }

  private static double whole(MatchResult matcher, int group) {
    return Double.parseDouble(matcher.group(group));
  }
}
