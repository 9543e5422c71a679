package dev.troupe.configuration;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.spi.SLF4JServiceProvider;

/**
 * A service takes this module in beside its own logging and command line: this module's class path,
 * on which its tests run, brings neither.
 */
class EmbeddingClassPathTest {
  private static final ClassLoader LOADER = EmbeddingClassPathTest.class.getClassLoader();

  @Test
  void logging_isTheFacadeAlone() {
    assertThat(ServiceLoader.load(SLF4JServiceProvider.class, LOADER)).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ch/qos/logback/classic/Logger.class",
        "ch/qos/logback/core/Context.class",
        "logback.xml",
        "org/jline/terminal/Terminal.class",
        "picocli/CommandLine.class"
      })
  void classPath_hasNothingOfTheCommandLine(String resource) {
    assertThat(LOADER.getResource(resource)).isNull();
  }

  @Test
  void classPath_hasWhatARunNeeds() {
    assertThat(LOADER.getResource("dev/troupe/actors/pipeline/Pipeline.class")).isNotNull();
    assertThat(LOADER.getResource(PipelineConfigurations.DEFAULTS)).isNotNull();
  }
}
