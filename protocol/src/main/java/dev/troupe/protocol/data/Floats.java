package dev.troupe.protocol.data;

import java.util.Arrays;

/** A vector of floats with value equality. The array given is owned from then on. */
public record Floats(float[] values) {
  public static final Floats EMPTY = new Floats(new float[0]);

  public static Floats of(float... values) {
    return new Floats(values);
  }

  public int size() {
    return values.length;
  }

  public float get(int index) {
    return values[index];
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Floats that && Arrays.equals(values, that.values);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(values);
  }

  @Override
  public String toString() {
    return "Floats" + Arrays.toString(values);
  }
}
