package dev.troupe.models.checkpoint.gguf;

import dev.troupe.models.checkpoint.CheckpointException;
import java.nio.DoubleBuffer;
import java.nio.LongBuffer;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A file's metadata by type: a key of another type than asked for is an error that names it. */
public final class GgufMetadata {
  private final GgufFile file;

  /** Of an open file; stays readable when that is closed. */
  public GgufMetadata(GgufFile file) {
    this.file = file;
  }

  public Optional<String> text(String key) {
    return typed(key, GgufValue.Text.class).map(GgufValue.Text::value);
  }

  public Optional<Long> whole(String key) {
    return typed(key, GgufValue.Whole.class).map(GgufValue.Whole::value);
  }

  /** A number, whole or not. */
  public Optional<Double> number(String key) {
    return file.metadata().get(key) instanceof GgufValue.Whole whole
        ? Optional.of((double) whole.value())
        : typed(key, GgufValue.Real.class).map(GgufValue.Real::value);
  }

  public Optional<Boolean> flag(String key) {
    return typed(key, GgufValue.Flag.class).map(GgufValue.Flag::value);
  }

  public Optional<List<String>> texts(String key) {
    return typed(key, GgufValue.Texts.class).map(GgufValue.Texts::values);
  }

  public Optional<DoubleBuffer> numbers(String key) {
    return typed(key, GgufValue.Reals.class).map(GgufValue.Reals::values);
  }

  public Optional<LongBuffer> wholes(String key) {
    return typed(key, GgufValue.Wholes.class).map(GgufValue.Wholes::values);
  }

  private <T extends GgufValue> Optional<T> typed(String key, Class<T> type) {
    @Nullable GgufValue value = file.metadata().get(key);
    if (value == null) {
      return Optional.empty();
    }
    if (!type.isInstance(value)) {
      throw new CheckpointException(
          String.format(
              Locale.ROOT,
              "%s: the metadata '%s' is %s, expected a %s.",
              file.path(),
              key,
              value.kind(),
              type.getSimpleName().toLowerCase(Locale.ROOT)));
    }
    return Optional.of(type.cast(value));
  }
}
