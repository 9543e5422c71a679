package dev.troupe.launcher.config;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.rlhf.data.DataConfig;
import dev.troupe.rlhf.recipe.DpoConfig;
import dev.troupe.rlhf.recipe.PpoConfig;
import dev.troupe.rlhf.recipe.PretrainConfig;
import dev.troupe.rlhf.recipe.RewardModelConfig;
import dev.troupe.rlhf.recipe.SftConfig;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class DefaultsTest {
  record Root(
      String output,
      DataConfig data,
      PretrainConfig pretrain,
      SftConfig sft,
      RewardModelConfig reward,
      PpoConfig ppo,
      DpoConfig dpo) {}

  private final ConfigurationLoader<Root> loader =
      new ConfigurationLoader<>(Root.class, "troupe-defaults.conf");

  @Test
  void everyKeyHasAValueAndAComment_andARecordReadsIt() {
    assertThat(new ConfigurationReference(Root.class, loader.defaults()).gaps()).isEmpty();
    System.out.println(new ConfigurationReference(Root.class, loader.defaults()).markdown("x"));
    System.out.println(loader.parse("", List.of()).text());
    System.out.println(
        loader.load(Path.of("../configs/presets/deepspeed-chat.conf"), List.of()).text());
    assertThat(loader.load(Path.of("../configs/presets/modern.conf"), List.of()).value())
        .isEqualTo(loader.parse("", List.of()).value());
  }
}
