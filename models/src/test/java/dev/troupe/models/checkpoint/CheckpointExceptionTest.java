package dev.troupe.models.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class CheckpointExceptionTest {
  @Test
  void message_ofAnOrdinaryLength_isKept() {
    assertThat(new CheckpointException("m.gguf: no\nsuch 'tensor'"))
        .hasMessage("m.gguf: no\nsuch 'tensor'");
  }

  @Test
  void message_withAVeryLongName_keepsItsBeginningAndItsEnd() {
    String message =
        new CheckpointException("file: " + "x".repeat(100_000) + " found").getMessage();
    assertThat(message)
        .startsWith("file: xxx")
        .contains("98212 characters left out")
        .endsWith("xxx found")
        .hasSizeLessThan(2000);
  }

  @Test
  void message_withControlCharacters_showsThemAsEscapes() {
    assertThat(new CheckpointException("name 'a\u001b[31m\u0000'"))
        .hasMessage("name 'a\\u001b[31m\\u0000'");
    assertThat(new CheckpointException("\u0000".repeat(100_000)).getMessage())
        .hasSizeLessThan(4000);
  }
}
