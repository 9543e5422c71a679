package dev.troupe.models.checkpoint.quantised;

import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.SafetensorsFile;
import dev.troupe.models.checkpoint.Shape;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** The tensors of a checkpoint as they are stored, of any type, over all of its files. */
final class StoredTensors {
  private final Map<String, SafetensorsFile> files;

  StoredTensors(Map<String, SafetensorsFile> files) {
    this.files = files;
  }

  List<String> names() {
    return new ArrayList<>(files.keySet());
  }

  boolean has(String name) {
    return files.containsKey(name);
  }

  SafetensorsFile file(String name) {
    return Objects.requireNonNull(files.get(name), name);
  }

  Path path(String name) {
    return file(name).path();
  }

  ByteBuffer bytes(String name) {
    return file(name).bytes(name);
  }

  Shape shape(String name) {
    return file(name).shape(name);
  }

  String type(String name) {
    return file(name).storedType(name);
  }

  /** Numbers of float32, float16 or bfloat16, widened. */
  float[] floats(String name) {
    return file(name).floats(name);
  }

  /** Whole numbers of 32 bits. */
  int[] ints(String name) {
    int[] values = new int[Math.toIntExact(shape(name).elements())];
    bytes(name).asIntBuffer().get(values);
    return values;
  }

  /**
   * Checks that a tensor is there, and of one of the types.
   *
   * @param whose weight it belongs to
   */
  void require(String whose, String name, String... types) {
    if (!has(name)) {
      throw new CheckpointException(
          path(whose)
              + ": the weight '"
              + whose
              + "' is quantised, and the tensor '"
              + name
              + "' that it needs is missing. Download the checkpoint again, or use one in bf16, fp16 or fp32.");
    }
    if (!List.of(types).contains(type(name))) {
      throw wrong(name, String.join(" or ", types), type(name));
    }
  }

  /** Checks a tensor's shape. */
  void requireShape(String name, Shape expected) {
    if (!shape(name).equals(expected)) {
      throw wrong(name, "the shape " + expected, shape(name).toString());
    }
  }

  /** What is wrong with one. */
  CheckpointException wrong(String name, String expected, String found) {
    return new CheckpointException(
        path(name) + ", tensor '" + name + "': expected " + expected + ", found " + found + ".");
  }
}
