package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class InvocationTest {
  @Test
  void line_quotesWhatAShellWouldTake() {
    assertThat(Invocation.line("run", "my runs/a.conf", "--set", "a.b=1"))
        .isEqualTo("./troupe run 'my runs/a.conf' --set a.b=1");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "plain",
        "",
        "two words",
        "it's",
        "$HOME `x` $(y)",
        "a\nb",
        "a\n'b' \\n \"c\"",
        "*",
        "ünï",
        "~"
      })
  void quoted_isReadBackByBash(String word) throws IOException, InterruptedException {
    Process bash =
        new ProcessBuilder(List.of("bash", "-c", "printf %s " + Invocation.quoted(word))).start();
    assertThat(new String(bash.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
        .isEqualTo(word);
    assertThat(bash.waitFor()).isZero();
  }

  @Test
  void path_isRelativeBelowHereAlone() {
    Path here = Path.of("").toAbsolutePath();
    assertThat(Invocation.path(here.resolve("runs/a"))).isEqualTo("runs/a");
    assertThat(Invocation.path(Path.of("runs/./b/../a"))).isEqualTo("runs/a");
    assertThat(Invocation.path(Path.of("../elsewhere"))).isEqualTo("../elsewhere");
    assertThat(Invocation.path(Path.of("/elsewhere/a"))).isEqualTo("/elsewhere/a");
  }
}
