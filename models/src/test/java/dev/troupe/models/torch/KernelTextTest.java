package dev.troupe.models.torch;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

final class KernelTextTest {
  @Test
  void joined_aLaterFunctionTakesThePlaceOfAnEarlierOne_andLinesKeepTheirNumbers() {
    String first =
        """
        # a comment
        def one(self) -> int:
          x = 1

          return x

        def two(self) -> int:
          return 2
        """;
    String later =
        """
        def one(self) -> int:
          return 11
        """;
    assertThat(KernelText.joined(List.of(first, later)))
        .isEqualTo(
            """
            # a comment





            def two(self) -> int:
              return 2

            def one(self) -> int:
              return 11
            """);
  }

  @Test
  void joined_compiles_andCallsWhatIsInForce() {
    String text =
        KernelText.joined(
            List.of(
                "def one(self) -> int:\n  return 1\n\ndef two(self) -> int:\n  return self.one() + 1\n",
                "def one(self) -> int:\n  return 10\n"));
    try (KernelModule module = KernelModule.compile("test.py", text, java.util.Map.of());
        Handle two = module.infer("two")) {
      assertThat(two.asLong()).isEqualTo(11);
    }
  }
}
