package dev.troupe.models.checkpoint.gguf;

import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.Finite;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.LongConsumer;

/**
 * The tensors of a GGUF file as Hugging Face names and lays them out: the rows of Llama's queries
 * and keys back in their order, Gemma's norms without the one that is added.
 */
public final class GgufTensors implements TensorFile {
  /** Rope scaling as factors, which the configuration already tells. */
  public static final String ROPE_FACTORS = "rope_freqs.weight";

  private final GgufFile file;
  private final GgufLayout layout;

  /** By Hugging Face name. */
  private final Map<String, String> names = new LinkedHashMap<>();

  /**
   * Takes over the file.
   *
   * @param config made of the same file
   */
  public GgufTensors(GgufFile file, ModelConfig config) {
    this.file = file;
    this.layout = new GgufLayout(config);
    for (String name : file.tensors().keySet()) {
      if (!name.equals(ROPE_FACTORS)) {
        // A name that means nothing here stays, so that it is told as it stands in the file.
        names.put(layout.huggingFace(name).orElse(name), name);
      }
    }
  }

  @Override
  public Path path() {
    return file.path();
  }

  @Override
  public Set<String> names() {
    return Collections.unmodifiableSet(names.keySet());
  }

  @Override
  public Shape shape(String name) {
    return Objects.requireNonNull(file.tensors().get(stored(name))).shape();
  }

  /** What reading gives, whatever is stored. */
  @Override
  public DType dtype(String name) {
    return DType.F32;
  }

  @Override
  public ByteBuffer bytes(String name) {
    float[] values = floats(name);
    ByteBuffer bytes =
        ByteBuffer.allocate(Math.multiplyExact(values.length, Float.BYTES))
            .order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return bytes;
  }

  @Override
  public void read(String name, FloatBuffer target) {
    String stored = stored(name);
    if (layout.differs(name)) {
      target.put(floats(name));
    } else {
      file.read(stored, target);
    }
  }

  @Override
  public float[] floats(String name) {
    return layout.toHuggingFace(name, file.floats(stored(name)));
  }

  @Override
  public void checkFinite(String name, LongConsumer read) {
    Finite finite = new Finite(path(), name, shape(name));
    if (layout.differs(name)) {
      // In the order that the message has; none of these is an embedding.
      float[] values = floats(name);
      finite.add(values, values.length);
      read.accept(Objects.requireNonNull(file.tensors().get(stored(name))).bytes());
    } else {
      file.inPieces(
          stored(name),
          (values, count, bytes) -> {
            finite.add(values, count);
            read.accept(bytes);
          });
    }
    finite.end();
  }

  private String stored(String name) {
    String stored = names.get(name);
    if (stored == null) {
      throw new CheckpointException(file.path() + " has no tensor '" + name + "'.");
    }
    return stored;
  }

  @Override
  public void close() {
    file.close();
  }
}
