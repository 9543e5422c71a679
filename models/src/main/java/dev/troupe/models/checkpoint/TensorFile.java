package dev.troupe.models.checkpoint;

import dev.troupe.models.quantisation.StoredBlocks;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongConsumer;

/** A file of tensors, each found by its Hugging Face name. */
public interface TensorFile extends AutoCloseable {
  Path path();

  Set<String> names();

  Shape shape(String name);

  DType dtype(String name);

  /** The tensor's bytes, little-endian, from position 0; never write into it. */
  ByteBuffer bytes(String name);

  /** Puts the tensor's numbers, widened to float, at the target's position and moves it on. */
  void read(String name, FloatBuffer target);

  /**
   * Hands the tensor's numbers on, widened to float, a piece of it in memory at a time where the
   * file allows.
   */
  default void pieces(String name, NumberSink sink) {
    float[] all = floats(name);
    sink.put(all, all.length);
  }

  /** The tensor as a base that is held in blocks can take it over, where the file has it so. */
  default Optional<StoredBlocks> blocks(String name) {
    return Optional.empty();
  }

  /** The tensor's numbers, widened to float, row by row. */
  float[] floats(String name);

  /**
   * Looks at all of the tensor's numbers, a piece of it in memory at a time.
   *
   * @param read hears of every piece how many bytes of the file it had
   * @throws CheckpointException when one is NaN or infinite, as {@link Finite#check}
   */
  void checkFinite(String name, LongConsumer read);

  @Override
  void close();
}
