package dev.troupe.launcher;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.JsonGeneratorDelegate;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;

/**
 * JSON for a user's scripts. A number that is not finite is null, since JSON has no word for it;
 * Jackson by itself writes the text "NaN".
 */
public final class OutputJson {
  private static final ObjectMapper MAPPER =
      new ObjectMapper(
          JsonFactory.builder()
              .addDecorator((factory, generator) -> new Finite(generator))
              .build());

  private OutputJson() {}

  /** To write and to read with. */
  public static ObjectMapper mapper() {
    return MAPPER;
  }

  private static final class Finite extends JsonGeneratorDelegate {
    Finite(JsonGenerator generator) {
      super(generator, false);
    }

    @Override
    public void writeNumber(double number) throws IOException {
      if (Double.isFinite(number)) {
        delegate.writeNumber(number);
      } else {
        delegate.writeNull();
      }
    }

    @Override
    public void writeNumber(float number) throws IOException {
      if (Float.isFinite(number)) {
        delegate.writeNumber(number);
      } else {
        delegate.writeNull();
      }
    }

    @Override
    public void writeArray(double[] numbers, int offset, int length) throws IOException {
      writeStartArray(numbers, length);
      for (int i = offset; i < offset + length; i++) {
        writeNumber(numbers[i]);
      }
      writeEndArray();
    }
  }
}
