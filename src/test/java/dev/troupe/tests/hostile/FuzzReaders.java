package dev.troupe.tests.hostile;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.ArgumentsProvider;
import org.junit.jupiter.params.provider.ArgumentsSource;
import org.junit.jupiter.params.support.ParameterDeclarations;

/** Coverage-guided fuzzing with Jazzer, one reader at a time; not part of the build, see docs. */
class FuzzReaders {
  /** What a first use allocates is not the file's doing. */
  @BeforeAll
  static void readGoodFiles() throws IOException {
    for (HostileFile kind : HostileFile.values()) {
      kind.read(kind.good());
    }
  }

  @Fuzz
  void safetensors(byte[] bytes) {
    HostileFile.SAFETENSORS.feed(bytes);
  }

  /** The header alone, so that the fuzzer need not guess its length. */
  @Fuzz
  void safetensorsHeader(byte[] header) {
    ByteBuffer file = ByteBuffer.allocate(8 + header.length + 64).order(ByteOrder.LITTLE_ENDIAN);
    HostileFile.SAFETENSORS.feed(file.putLong(header.length).put(header).array());
  }

  @Fuzz
  void config(byte[] bytes) {
    HostileFile.CONFIG.feed(bytes);
  }

  @Fuzz
  void adapterConfig(byte[] bytes) {
    HostileFile.ADAPTER_CONFIG.feed(bytes);
  }

  @Fuzz
  void tokenizer(byte[] bytes) {
    HostileFile.TOKENIZER.feed(bytes);
  }

  @Fuzz
  void chatTemplate(byte[] bytes) {
    HostileFile.CHAT_TEMPLATE.feed(bytes);
  }

  @Fuzz
  void gguf(byte[] bytes) {
    HostileFile.GGUF.feed(bytes);
  }

  @Fuzz
  void ggufModel(byte[] bytes) {
    HostileFile.GGUF_MODEL.feed(bytes);
  }

  @Fuzz
  void ggufTokenizer(byte[] bytes) {
    HostileFile.GGUF_TOKENIZER.feed(bytes);
  }

  @Fuzz
  void records(byte[] bytes) {
    HostileFile.RECORDS.feed(bytes);
  }

  @Fuzz
  void csv(byte[] bytes) {
    HostileFile.CSV.feed(bytes);
  }

  @Fuzz
  void parquet(byte[] bytes) {
    HostileFile.PARQUET.feed(bytes);
  }

  @Fuzz
  void mathAnswer(byte[] bytes) {
    HostileFile.MATH_ANSWER.feed(bytes);
  }

  @Fuzz
  void wire(byte[] bytes) {
    HostileFile.WIRE.feed(bytes);
  }

  /** Ten minutes, from a good file on. */
  @Retention(RetentionPolicy.RUNTIME)
  @ArgumentsSource(GoodFile.class)
  @FuzzTest(maxDuration = "10m")
  private @interface Fuzz {}

  private static final class GoodFile implements ArgumentsProvider {
    @Override
    public Stream<Arguments> provideArguments(
        ParameterDeclarations parameters, ExtensionContext context) throws IOException {
      String method = context.getRequiredTestMethod().getName();
      String kind = method.replaceAll("([A-Z])", "_$1").toUpperCase(Locale.ROOT);
      return Stream.of(Arguments.of((Object) good(kind)));
    }

    private static byte[] good(String kind) throws IOException {
      if (!kind.equals("SAFETENSORS_HEADER")) {
        return HostileFile.valueOf(kind).good();
      }
      byte[] file = HostileFile.SAFETENSORS.good();
      int length = (int) ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong();
      return Arrays.copyOfRange(file, 8, 8 + length);
    }
  }
}
