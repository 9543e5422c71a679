package dev.troupe.rlhf.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.rlhf.data.DataConfig.Format;
import dev.troupe.rlhf.data.DataConfig.TooLong;
import dev.troupe.rlhf.data.DataRecord.PlainText;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StageDataTest {
  @TempDir private Path directory;

  private String texts(String name, int count) throws IOException {
    String lines =
        IntStream.range(0, count)
            .mapToObj(i -> "{\"text\": \"" + name + i + "\"}")
            .collect(Collectors.joining("\n"));
    return Files.writeString(directory.resolve(name + ".jsonl"), lines).toString();
  }

  private static SourceConfig weighted(String path, double weight) {
    return new SourceConfig(
        path, Optional.of(weight), Shape.AUTO, Optional.empty(), Optional.empty());
  }

  private static DataConfig config(List<SourceConfig> sources, Optional<List<Double>> stageSplit) {
    return new DataConfig(
        sources, sources, sources, List.of(), stageSplit, Format.AUTO, 0, 0, TooLong.DROP);
  }

  private static List<String> texts(List<DataRecord> records) {
    return records.stream().map(record -> ((PlainText) record).text()).toList();
  }

  @Test
  void sft_weights_drawTheirShareWithoutRepeating() throws IOException {
    // The big source could give 100, but 1:1 with 10 records of the small one leaves it 3·10 = 30.
    List<SourceConfig> sources =
        List.of(weighted(texts("big", 100), 3), weighted(texts("small", 10), 1));
    DataConfig config = config(sources, Optional.empty());
    List<String> drawn = texts(StageData.sft(config, 5, Reading.unwatched()));
    assertThat(drawn).hasSize(40).doesNotHaveDuplicates();
    assertThat(drawn.stream().filter(text -> text.startsWith("big"))).hasSize(30);
    assertThat(texts(StageData.sft(config, 5, Reading.unwatched()))).isEqualTo(drawn);
    assertThat(texts(StageData.sft(config, 6, Reading.unwatched()))).isNotEqualTo(drawn);
  }

  @Test
  void sft_noWeights_usesEverything() throws IOException {
    List<SourceConfig> sources =
        List.of(SourceConfig.of(texts("a", 3)), SourceConfig.of(texts("b", 2)));
    assertThat(texts(StageData.sft(config(sources, Optional.empty()), 5, Reading.unwatched())))
        .containsExactly("a0", "a1", "a2", "b0", "b1");
  }

  @Test
  void stages_stageSplit_areDisjointAndDeepSpeedChats() throws IOException {
    List<SourceConfig> sources = List.of(SourceConfig.of(texts("t", 10)));
    DataConfig config = config(sources, Optional.of(List.of(2.0, 4.0, 4.0)));
    List<String> sft = texts(StageData.sft(config, 1234, Reading.unwatched()));
    List<String> ppo = texts(StageData.prompts(config, 1234, Reading.unwatched()));
    // numpy: RandomState(1234) permutes 10 as 7 2 9 1 0 8 4 5 6 3; two for SFT, the last four for
    // PPO. What they give is shuffled once more.
    assertThat(sft).containsExactlyInAnyOrder("t7", "t2");
    assertThat(ppo).containsExactlyInAnyOrder("t4", "t5", "t6", "t3");
    assertThat(ppo).isEqualTo(reorder(List.of("t4", "t5", "t6", "t3"), 1234));
  }

  private static List<String> reorder(List<String> texts, long seed) {
    int[] order = DeepSpeedChatSplit.permutation(texts.size(), seed);
    return IntStream.of(order).mapToObj(texts::get).toList();
  }

  @Test
  void sft_sourceOfSftAlone_isTakenWhole() throws IOException {
    SourceConfig alone =
        new SourceConfig(
            texts("t", 10),
            Optional.empty(),
            Shape.AUTO,
            Optional.empty(),
            Optional.of(List.of(10.0, 0.0, 0.0)));
    DataConfig config = config(List.of(alone), Optional.of(List.of(2.0, 4.0, 4.0)));
    assertThat(StageData.sft(config, 1, Reading.unwatched())).hasSize(10);
    assertThatThrownBy(() -> StageData.prompts(config, 1, Reading.unwatched()))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("leaves none for the stage PPO");
  }

  @Test
  void preferences_fileWithoutPairs_isAnError() throws IOException {
    DataConfig config = config(List.of(SourceConfig.of(texts("t", 3))), Optional.empty());
    assertThatThrownBy(() -> StageData.preferences(config, 1, Reading.unwatched()))
        .hasMessageContaining(
            "t.jsonl:1: data.preferences needs a chosen and a rejected answer, this file has none");
  }

  @Test
  void sft_noSource_isAnError() {
    assertThatThrownBy(
            () -> StageData.sft(config(List.of(), Optional.empty()), 1, Reading.unwatched()))
        .hasMessage("data.sft names no source; give it a list of files: data.sft = [{ path = … }]");
  }

  @Test
  void config_weightOnSomeSources_isRefused() {
    List<SourceConfig> mixed = List.of(weighted("a.jsonl", 1), SourceConfig.of("b.jsonl"));
    assertThatThrownBy(() -> config(mixed, Optional.empty()))
        .hasMessage(
            "sft is a blend with a weight on 1 of 2 sources, allowed: a weight on all of them or on"
                + " none; preferences is a blend with a weight on 1 of 2 sources, allowed: a weight on"
                + " all of them or on none; prompts is a blend with a weight on 1 of 2 sources,"
                + " allowed: a weight on all of them or on none");
    assertThatThrownBy(() -> weighted("a.jsonl", 0)).hasMessage("weight is 0, allowed: above 0");
  }

  @Test
  void config_lengthsOutOfRange_areRefused() {
    assertThatThrownBy(
            () ->
                new DataConfig(
                    List.of(),
                    List.of(),
                    List.of(),
                    List.of(),
                    Optional.empty(),
                    Format.AUTO,
                    64,
                    64,
                    TooLong.DROP))
        .hasMessage("max-prompt-tokens is 64, allowed: 0 for no limit, or below max-tokens (64)");
  }

  @Test
  void batches_shortLast_coverEachEpochOnce() {
    List<Integer> items = IntStream.range(0, 10).boxed().toList();
    Batches<Integer> batches = new Batches<>(items, 4, Batches.Last.SHORT, 3);
    assertThat(batches.perEpoch()).isEqualTo(3);
    assertThat(batches.batch(2)).hasSize(2);
    for (int epoch = 0; epoch < 3; epoch++) {
      Set<Integer> seen = new HashSet<>();
      for (int i = 0; i < 3; i++) {
        seen.addAll(batches.batch(epoch * 3L + i));
      }
      assertThat(seen).hasSize(10);
    }
    assertThat(batches.batch(0)).isNotEqualTo(batches.batch(3)).isEqualTo(batches.batch(0));
  }

  @Test
  void batches_filledLast_areAlwaysFullAndUseItemsEvenly() {
    List<Integer> items = IntStream.range(0, 3).boxed().toList();
    Batches<Integer> batches = new Batches<>(items, 4, Batches.Last.FILLED, 3);
    List<Integer> three =
        IntStream.range(0, 3).boxed().flatMap(i -> batches.batch(i).stream()).toList();
    assertThat(three).hasSize(12);
    for (int item = 0; item < 3; item++) {
      assertThat(Collections.frequency(three, item)).isEqualTo(4);
    }
  }

  @Test
  void batches_leftOutLast_areFullAndNeverRepeatAnItem() {
    List<Integer> items = IntStream.range(0, 10).boxed().toList();
    Batches<Integer> batches = new Batches<>(items, 4, Batches.Last.LEFT_OUT, 3);
    Set<Integer> seen = new HashSet<>();
    for (int i = 0; i < 40; i++) {
      assertThat(batches.batch(i)).hasSize(4).doesNotHaveDuplicates();
      seen.addAll(batches.batch(i));
    }
    assertThat(seen).hasSize(10);
    assertThatThrownBy(() -> new Batches<>(items, 11, Batches.Last.LEFT_OUT, 3))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("a step takes 11 different items and the data have 10");
  }

  @Test
  void heldOut_sameSeed_isTheSameAndDisjoint() {
    List<Integer> items = IntStream.range(0, 20).boxed().toList();
    HeldOut<Integer> split = HeldOut.of("pairs", items, 5, 9);
    assertThat(split.heldOut()).hasSize(5).doesNotContainAnyElementsOf(split.training());
    assertThat(split.training()).hasSize(15);
    assertThat(HeldOut.of("pairs", items, 5, 9)).isEqualTo(split);
    assertThatThrownBy(() -> HeldOut.of("pairs", items, 20, 9))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("held-out is 20 and the data have 20 pairs");
  }
}
