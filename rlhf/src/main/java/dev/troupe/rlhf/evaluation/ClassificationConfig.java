package dev.troupe.rlhf.evaluation;

import dev.troupe.rlhf.limits.Limits;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Classification by a language model: a template makes each record a text with a gap, a verbaliser
 * says which words in the gap mean which label (Schick and Schütze 2021; Brown et al. 2020).
 *
 * @param template with {text}, {label}, and {field} for other fields of a record
 * @param labels the words of each label
 * @param examples records shown with their labels before the one to classify
 * @param score of a word of several tokens
 * @param words how the words of one label add up
 * @param calibrate a text without content, whose scores are taken off (Zhao et al. 2021)
 */
public record ClassificationConfig(
    String template,
    Map<String, List<String>> labels,
    int examples,
    WordScore score,
    Verbaliser words,
    Optional<String> calibrate) {
  /** Of a word. */
  public enum WordScore {
    /** The log-probability of all its tokens. */
    SUM,
    /** The same per token, so that long words are no worse off. */
    MEAN
  }

  /** Of a label's words. */
  public enum Verbaliser {
    /** The mean of their probabilities. */
    MEAN,
    /** The best of them. */
    MAX
  }

  public ClassificationConfig {
    labels = Collections.unmodifiableMap(new TreeMap<>(labels));
    Map<String, Long> uses =
        labels.values().stream()
            .flatMap(List::stream)
            .collect(Collectors.groupingBy(word -> word, Collectors.counting()));
    List<String> twice =
        uses.entrySet().stream()
            .filter(use -> use.getValue() > 1)
            .map(Map.Entry::getKey)
            .sorted()
            .toList();
    new Limits()
        .condition(
            "template",
            "\"" + template + "\"",
            Template.fault(template).isEmpty(),
            Template.fault(template).orElse(""))
        .condition(
            "labels",
            labels.size() + " in number",
            labels.size() >= 2,
            "two or more, such as { positive = [good, great], negative = [bad] }")
        .condition("labels", twice + " more than once", twice.isEmpty(), "each word once")
        .condition(
            "labels",
            "a label without words, or with an empty one",
            labels.values().stream()
                .allMatch(each -> !each.isEmpty() && each.stream().noneMatch(String::isEmpty)),
            "a list of words for each")
        .atLeast("examples", examples, 0)
        .verify();
  }
}
