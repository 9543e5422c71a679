package dev.troupe.rlhf.evaluation;

import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.rlhf.data.DataException;
import dev.troupe.rlhf.data.DataRecord;
import dev.troupe.rlhf.data.HeldOut;
import dev.troupe.rlhf.data.PromptText;
import dev.troupe.rlhf.port.Learner;
import dev.troupe.rlhf.port.Text;
import dev.troupe.rlhf.port.TextException;
import dev.troupe.rlhf.recipe.Await;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Classifies records by what a model finds most likely in the gap of a template. */
public final class Classifier {
  private final Learner model;
  private final Text text;
  private final ClassificationConfig config;
  private final Template template;

  public Classifier(Learner model, Text text, ClassificationConfig config) {
    this.model = model;
    this.text = text;
    this.config = config;
    this.template = Template.of(config.template());
  }

  /**
   * Classifies all but those that are shown as examples.
   *
   * @param records whose answers are their labels
   * @param seed chooses the examples
   * @throws DataException when a record has no label, or one that the verbaliser has not
   * @throws MeasureException when the examples leave nothing to classify, or do not fit
   */
  public Classification of(List<DataRecord.Task> records, long seed, Watch watch) {
    records.forEach(this::label);
    if (config.examples() >= records.size()) {
      throw new MeasureException(
          "classification.examples is "
              + config.examples()
              + " and data.prompts has "
              + records.size()
              + " records, of which at least one must be left to classify; lower it or give more"
              + " data");
    }
    HeldOut<DataRecord.Task> split = HeldOut.of("records", records, config.examples(), seed);
    StringBuilder shown = new StringBuilder();
    for (DataRecord.Task example : split.heldOut()) {
      shown.append(template.example(gaps(example), firstWord(label(example))));
    }
    Map<String, Double> bias =
        config
            .calibrate()
            .map(nothing -> scores(candidates(shown + template.head(gap -> nothing), "calibrate")))
            .orElse(Map.of());
    Classification.Tally tally = new Classification.Tally(config.labels().keySet());
    int done = 0;
    for (DataRecord.Task record : split.training()) {
      Map<String, Double> scores =
          scores(candidates(shown + template.head(gaps(record)), record.origin().toString()));
      bias.forEach((label, score) -> scores.merge(label, -score, Double::sum));
      if (scores.values().stream().anyMatch(score -> score.isNaN())) {
        throw new MeasureException(
            "classification: the model gives the labels of "
                + record.origin()
                + " log-probabilities that are not numbers: "
                + scores);
      }
      tally.add(label(record), scores);
      watch.done(++done, split.training().size());
    }
    return tally.result(config.examples());
  }

  private String firstWord(String label) {
    return Objects.requireNonNull(config.labels().get(label)).get(0);
  }

  private String label(DataRecord.Task record) {
    String label =
        record
            .answer()
            .orElseThrow(
                () ->
                    new DataException(
                        record.origin()
                            + ": has no label to compare with; name the field that holds it in the"
                            + " source's columns { answer = … }"));
    if (!config.labels().containsKey(label)) {
      throw new DataException(
          record.origin()
              + ": has the label '"
              + label
              + "', classification.labels has "
              + String.join(", ", config.labels().keySet()));
    }
    return label;
  }

  /** What fills a template's gaps. */
  private static Function<String, String> gaps(DataRecord.Task record) {
    return gap -> {
      @Nullable Object value = gap.equals("text") ? text(record) : record.metadata().get(gap);
      if (value instanceof String || value instanceof Number || value instanceof Boolean) {
        return value.toString();
      }
      throw new DataException(
          record.origin()
              + ": classification.template has {"
              + gap
              + "}, and the record has no such field that nothing else is made of; it has "
              + (record.metadata().isEmpty()
                  ? "{text} alone"
                  : "{text} and " + record.metadata().keySet()));
    };
  }

  private static String text(DataRecord.Task task) {
    DataRecord record = task.record();
    if (record instanceof DataRecord.PlainText plain) {
      return plain.text();
    }
    if (record instanceof DataRecord.BarePrompt bare
        && bare.prompt() instanceof PromptText.Plain plain) {
      return plain.text();
    }
    if (record instanceof DataRecord.Completion completion
        && completion.prompt() instanceof PromptText.Plain plain) {
      return plain.text();
    }
    throw new DataException(
        task.origin()
            + ": is not a text with a label; expected for instance {\"prompt\": text, \"answer\":"
            + " text}, other names by the source's columns { prompt = …, answer = … }");
  }

  /** A sequence for each word of each label, in their order, that reads the word alone. */
  private List<Sequence> candidates(String head, String place) {
    // A blank belongs to the word behind it, as tokenizers have it.
    String stem = head.stripTrailing();
    String blank = head.substring(stem.length());
    TokenIds bare = encode(stem, place);
    List<TokenIds> candidates = new ArrayList<>();
    for (List<String> words : config.labels().values()) {
      for (String word : words) {
        candidates.add(encode(stem + blank + word, place));
      }
    }
    int shared = bare.size();
    for (TokenIds candidate : candidates) {
      int same = 0;
      while (same < Math.min(shared, candidate.size() - 1)
          && candidate.get(same) == candidates.get(0).get(same)) {
        same++;
      }
      shared = Math.min(shared, same);
    }
    if (shared == 0) {
      throw new MeasureException(
          place
              + ": classification.template leaves no token before the label; begin it with a word");
    }
    int from = shared;
    return candidates.stream().map(candidate -> Sequence.ofTargets(candidate, from)).toList();
  }

  private TokenIds encode(String words, String place) {
    TokenIds tokens;
    try {
      tokens = text.encode(words);
    } catch (TextException e) {
      throw new DataException(place + ": " + e.getMessage(), e);
    }
    TokenIds whole =
        text.beginOfSequence().isPresent()
            ? TokenIds.of(text.beginOfSequence().getAsInt()).concat(tokens)
            : tokens;
    if (whole.size() > text.contextLength()) {
      throw new MeasureException(
          place
              + ": has "
              + whole.size()
              + " tokens with template and "
              + config.examples()
              + " examples, the model's context is "
              + text.contextLength()
              + "; lower classification.examples, shorten the template or leave the record out");
    }
    return whole;
  }

  /** Of every label. */
  private Map<String, Double> scores(List<Sequence> candidates) {
    Iterator<TokenOutputs> outputs =
        Await.on(model.evaluate(candidates, Set.of(Output.LOGPROBS))).iterator();
    Map<String, Double> scores = new TreeMap<>();
    config
        .labels()
        .forEach(
            (label, words) -> {
              List<Double> each = new ArrayList<>();
              for (int i = 0; i < words.size(); i++) {
                each.add(LabelScores.ofWord(outputs.next().logprobs(), config.score()));
              }
              scores.put(label, LabelScores.ofLabel(each, config.words()));
            });
    return scores;
  }
}
