package dev.troupe.models.checkpoint;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Set;

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

  /** The tensor's numbers, widened to float, row by row. */
  float[] floats(String name);

  @Override
  void close();
}
