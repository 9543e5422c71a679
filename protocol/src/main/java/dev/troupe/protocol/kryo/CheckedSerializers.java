package dev.troupe.protocol.kryo;

import com.esotericsoftware.kryo.kryo5.Kryo;
import com.esotericsoftware.kryo.kryo5.KryoException;
import com.esotericsoftware.kryo.kryo5.Serializer;
import com.esotericsoftware.kryo.kryo5.io.Input;
import com.esotericsoftware.kryo.kryo5.io.Output;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.TokenIds;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Serializers of everything that has a length. Kryo's own believe it, and a few bytes that claim
 * two thousand million elements take all memory; these hold it against the bytes that are left
 * before anything is allocated.
 */
final class CheckedSerializers {
  private CheckedSerializers() {}

  /**
   * Reads how many elements follow.
   *
   * @param least bytes that one takes at least
   * @throws KryoException when the rest of the message cannot hold them
   */
  private static int length(Input input, int least) {
    return checked(input.readInt(true), least, input);
  }

  private static int checked(int length, int least, Input input) {
    int left = input.limit() - input.position();
    if (length < 0 || length > left / least) {
      throw new KryoException("a length of " + length + " where " + left + " bytes are left");
    }
    return length;
  }

  static final class Ids extends Serializer<TokenIds> {
    @Override
    public void write(Kryo kryo, Output output, TokenIds ids) {
      output.writeInt(ids.size(), true);
      output.writeInts(ids.values(), 0, ids.size(), true);
    }

    @Override
    public TokenIds read(Kryo kryo, Input input, Class<? extends TokenIds> type) {
      return new TokenIds(input.readInts(length(input, 1), true));
    }
  }

  static final class Vectors extends Serializer<Floats> {
    @Override
    public void write(Kryo kryo, Output output, Floats floats) {
      output.writeInt(floats.size(), true);
      output.writeFloats(floats.values(), 0, floats.size());
    }

    @Override
    public Floats read(Kryo kryo, Input input, Class<? extends Floats> type) {
      return new Floats(input.readFloats(length(input, Float.BYTES)));
    }
  }

  /** Kryo's own format, in which a text that is not ASCII begins with its count of letters. */
  static final class Strings extends Serializer<String> {
    Strings() {
      super(true, true);
    }

    @Override
    public void write(Kryo kryo, Output output, String text) {
      output.writeString(text);
    }

    @Override
    public String read(Kryo kryo, Input input, Class<? extends String> type) {
      return string(input);
    }

    static String string(Input input) {
      int start = input.position();
      if (input.readVarIntFlag()) {
        // One more than there are letters, 0 for none at all; a letter takes a byte or more.
        checked(Math.max(0, input.readVarIntFlag(true) - 1), 1, input);
      }
      input.setPosition(start);
      return input.readString();
    }
  }

  /** Collections of any kind; read as one is made of an array. */
  static final class Lists<T extends Collection<?>> extends Serializer<T> {
    private final Function<List<Object>, T> made;

    Lists(Function<List<Object>, T> made) {
      this.made = made;
    }

    @Override
    public void write(Kryo kryo, Output output, T list) {
      output.writeInt(list.size(), true);
      list.forEach(element -> kryo.writeClassAndObject(output, element));
    }

    @Override
    public T read(Kryo kryo, Input input, Class<? extends T> type) {
      Object[] elements = new Object[length(input, 1)];
      for (int i = 0; i < elements.length; i++) {
        elements[i] = kryo.readClassAndObject(input);
      }
      return made.apply(Arrays.asList(elements));
    }
  }

  /** Maps of any kind. */
  static final class Maps<T extends Map<?, ?>> extends Serializer<T> {
    private final Function<Map<Object, Object>, T> made;

    Maps(Function<Map<Object, Object>, T> made) {
      this.made = made;
    }

    @Override
    public void write(Kryo kryo, Output output, T map) {
      output.writeInt(map.size(), true);
      map.forEach(
          (key, value) -> {
            kryo.writeClassAndObject(output, key);
            kryo.writeClassAndObject(output, value);
          });
    }

    @Override
    public T read(Kryo kryo, Input input, Class<? extends T> type) {
      int size = length(input, 2);
      Map<Object, Object> entries = new LinkedHashMap<>();
      for (int i = 0; i < size; i++) {
        entries.put(kryo.readClassAndObject(input), kryo.readClassAndObject(input));
      }
      return made.apply(entries);
    }
  }
}
