package dev.troupe.models.checkpoint.quantised;

import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.Finite;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorFile;
import dev.troupe.models.quantisation.StoredBlocks;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongConsumer;
import java.util.function.Supplier;

/**
 * One weight that is made of several tensors of a file. It is whole in memory while it is read.
 *
 * @param path of the file, for messages
 * @param name as the model knows it
 * @param shape as the model has it
 * @param storedBytes that the file has of it
 * @param numbers makes them, row by row
 * @param stored as it can be taken over without being made numbers, where it can
 */
record PackedWeight(
    Path path,
    String name,
    Shape shape,
    long storedBytes,
    Supplier<float[]> numbers,
    Optional<Supplier<StoredBlocks>> stored)
    implements TensorFile {
  @Override
  public Set<String> names() {
    return Set.of(name);
  }

  @Override
  public Shape shape(String asked) {
    return own(asked).shape;
  }

  /** What reading gives, whatever is stored. */
  @Override
  public DType dtype(String asked) {
    return DType.F32;
  }

  @Override
  public ByteBuffer bytes(String asked) {
    float[] values = floats(asked);
    ByteBuffer bytes =
        ByteBuffer.allocate(Math.multiplyExact(values.length, Float.BYTES))
            .order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return bytes;
  }

  @Override
  public void read(String asked, FloatBuffer target) {
    target.put(floats(asked));
  }

  @Override
  public float[] floats(String asked) {
    return own(asked).numbers.get();
  }

  @Override
  public Optional<StoredBlocks> blocks(String asked) {
    return own(asked).stored.map(Supplier::get);
  }

  @Override
  public void checkFinite(String asked, LongConsumer read) {
    float[] values = floats(asked);
    Finite finite = new Finite(path, name, shape);
    finite.add(values, values.length);
    finite.end();
    read.accept(storedBytes);
  }

  private PackedWeight own(String asked) {
    if (!asked.equals(name)) {
      throw new CheckpointException(path + " has no tensor '" + asked + "'.");
    }
    return this;
  }

  /** The file is closed by whoever opened it. */
  @Override
  public void close() {
    // Nothing of its own.
  }
}
