package dev.troupe.launcher.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.launcher.OutputJson;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * One figure, taken several times.
 *
 * @param work what was done, for example {@code generate}
 * @param setting what it was done with, in the order to show it
 * @param unit of the values
 * @param values one per round, in order
 * @param shares of limits: the median over what the machine allows, by the limit's name
 * @param demand what the median is to keep to, if anything
 */
public record Measurement(
    String work,
    Map<String, Object> setting,
    String unit,
    List<Double> values,
    Map<String, Double> shares,
    Optional<Demand> demand) {
  private static final ObjectMapper JSON = OutputJson.mapper();

  public Measurement {
    if (values.isEmpty()) {
      throw new IllegalArgumentException(work + " was never measured");
    }
    values = List.copyOf(values);
  }

  /** A figure by itself. */
  public static Measurement of(
      String work, Map<String, Object> setting, String unit, List<Double> values) {
    return new Measurement(work, setting, unit, values, Map.of(), Optional.empty());
  }

  /** A figure in percent that is to keep to a bound. */
  public static Measurement percentAtMost(
      String work, Map<String, Object> setting, List<Double> values, double bound) {
    return of(work, setting, "%", values).demanded(Demand.atMost(bound));
  }

  /** The same with a share more. */
  public Measurement share(String limit, double value) {
    Map<String, Double> more = new LinkedHashMap<>(shares);
    more.put(limit, value);
    return new Measurement(work, setting, unit, values, more, demand);
  }

  /** The same with a demand. */
  Measurement demanded(Demand bound) {
    return new Measurement(work, setting, unit, values, shares, Optional.of(bound));
  }

  public double median() {
    double[] sorted = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    int half = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }

  private double least() {
    return values.stream().mapToDouble(Double::doubleValue).min().orElseThrow();
  }

  private double most() {
    return values.stream().mapToDouble(Double::doubleValue).max().orElseThrow();
  }

  /** One line for scripts. */
  public String json() {
    ObjectNode object = JSON.createObjectNode();
    object.put("work", work);
    object.set("setting", JSON.valueToTree(setting));
    object.put("unit", unit);
    object.put("median", median());
    object.set("values", JSON.valueToTree(values));
    object.set("shares", JSON.valueToTree(shares));
    demand.ifPresent(
        bound ->
            object
                .putObject("demand")
                .put(bound.sense().key(), bound.bound())
                .put("met", bound.isMet(median())));
    return object.toString();
  }

  /** One line for people. */
  public String text() {
    StringBuilder text = new StringBuilder(work);
    setting.forEach((key, value) -> text.append(", ").append(key).append(' ').append(shown(value)));
    text.append(String.format(Locale.ROOT, ": %s %s", number(median()), unit));
    if (values.size() > 1) {
      text.append(String.format(Locale.ROOT, " (%s to %s)", number(least()), number(most())));
    }
    shares.forEach(
        (limit, share) ->
            text.append(String.format(Locale.ROOT, "; %.0f %% of %s", 100 * share, limit)));
    demand.ifPresent(bound -> text.append("; ").append(bound.text(median())));
    return text.toString();
  }

  private static String shown(Object value) {
    return value instanceof int[] numbers ? Arrays.toString(numbers) : value.toString();
  }

  private static String number(double value) {
    boolean tiny = value != 0 && Math.abs(value) < 1e-3;
    return String.format(
        Locale.ROOT, value >= 100 ? "%.0f" : value >= 1 ? "%.2f" : tiny ? "%.1e" : "%.4f", value);
  }
}
