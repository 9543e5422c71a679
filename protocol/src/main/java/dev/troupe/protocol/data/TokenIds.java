package dev.troupe.protocol.data;

import java.util.Arrays;

/** Token ids with value equality. The array given is owned from then on: nobody may write to it. */
public record TokenIds(int[] values) {
  public static final TokenIds EMPTY = new TokenIds(new int[0]);

  public static TokenIds of(int... values) {
    return new TokenIds(values);
  }

  public int size() {
    return values.length;
  }

  public int get(int index) {
    return values[index];
  }

  /** These ids followed by {@code next}. */
  public TokenIds concat(TokenIds next) {
    int[] all = Arrays.copyOf(values, values.length + next.values.length);
    System.arraycopy(next.values, 0, all, values.length, next.values.length);
    return new TokenIds(all);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TokenIds that && Arrays.equals(values, that.values);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(values);
  }

  @Override
  public String toString() {
    return "TokenIds" + Arrays.toString(values);
  }
}
