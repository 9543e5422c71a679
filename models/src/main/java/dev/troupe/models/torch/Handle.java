package dev.troupe.models.torch;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/**
 * A native value with one owner, who closes it: a tensor, which lies on the JVM's device, a list of
 * tensors or a number. DJL's IValue has neither owner nor finalizer, so an unclosed one leaks;
 * {@link #live()} counts them for the tests.
 */
public final class Handle implements AutoCloseable {
  private static final AtomicLong LIVE = new AtomicLong();

  private final IValue value;
  private boolean closed;

  Handle(IValue value) {
    this.value = value;
    LIVE.incrementAndGet();
  }

  /** Handles made and not yet closed, in this JVM. */
  public static long live() {
    return LIVE.get();
  }

  IValue value() {
    if (closed) {
      throw new IllegalStateException("this native handle is closed");
    }
    return value;
  }

  /** A float32 tensor; the data is copied. */
  public static Handle of(float[] data, long... shape) {
    return of(FloatBuffer.wrap(data), shape);
  }

  /** A float32 tensor; the data is copied from the buffer's position to its limit. */
  public static Handle of(FloatBuffer data, long... shape) {
    if (new Shape(shape).size() != data.remaining()) {
      throw new IllegalArgumentException(
          data.remaining() + " floats do not make a tensor of shape " + Arrays.toString(shape));
    }
    return filled(own -> own.put(data.duplicate()), shape);
  }

  /**
   * A float32 tensor whose numbers are put straight into its own memory.
   *
   * @param source given that memory, row by row, which it fills to the end and does not keep
   */
  public static Handle filled(Consumer<FloatBuffer> source, long... shape) {
    try (NDManager scope = Torch.scope()) {
      PtNDArray array = (PtNDArray) scope.create(new Shape(shape), DataType.FLOAT32);
      fill(array, source);
      return new Handle(IValue.from(onDevice(array)));
    }
  }

  /** Copies into the tensor's own memory; DJL's set() would give it other memory. */
  private static void fill(PtNDArray array, Consumer<FloatBuffer> source) {
    if (array.size() == 0) {
      return;
    }
    FloatBuffer own = array.toByteBuffer(true).order(ByteOrder.nativeOrder()).asFloatBuffer();
    source.accept(own);
    if (own.hasRemaining()) {
      throw new IllegalArgumentException(
          own.remaining()
              + " numbers of a tensor of shape "
              + array.getShape()
              + " were not given");
    }
  }

  /** The same on the JVM's device; itself where that is the CPU. */
  private static PtNDArray onDevice(PtNDArray array) {
    return array.toDevice(Torch.device().djl(), false);
  }

  /**
   * A tensor of bytes that are put straight into its own memory, little-endian.
   *
   * @param source given that memory, which it fills and does not keep
   */
  public static Handle bytes(Consumer<ByteBuffer> source, long count) {
    try (NDManager scope = Torch.scope()) {
      PtNDArray array = (PtNDArray) scope.create(new Shape(count), DataType.UINT8);
      source.accept(array.toByteBuffer(true).order(ByteOrder.LITTLE_ENDIAN));
      return new Handle(IValue.from(onDevice(array)));
    }
  }

  /** An int64 tensor. */
  public static Handle of(long[] data, long... shape) {
    try (NDManager scope = Torch.scope();
        PtNDArray view = (PtNDArray) scope.create(data, new Shape(shape));
        PtNDArray own = (PtNDArray) view.duplicate()) {
      return new Handle(IValue.from(onDevice(own)));
    }
  }

  public static Handle of(long number) {
    return new Handle(IValue.from(number));
  }

  public static Handle of(double number) {
    return new Handle(IValue.from(number));
  }

  public static Handle of(boolean flag) {
    return new Handle(IValue.from(flag));
  }

  public static Handle of(String text) {
    return new Handle(IValue.from(text));
  }

  public static Handle ofList(long... numbers) {
    return new Handle(IValue.listFrom(numbers));
  }

  /** A list of tensors that holds its own references: the parts may be closed. */
  public static Handle ofTensors(List<Handle> tensors) {
    try (NDManager scope = Torch.scope()) {
      PtNDArray[] arrays =
          tensors.stream()
              .map(tensor -> tensor.value().toTensor((PtNDManager) scope))
              .toArray(PtNDArray[]::new);
      return new Handle(IValue.listFrom(arrays));
    }
  }

  /** The parts of a tuple or list, each owned by the caller. */
  public Handle[] parts() {
    IValue[] values = value().isTuple() ? value.toIValueTuple() : value.toIValueArray();
    Handle[] parts = new Handle[values.length];
    for (int i = 0; i < values.length; i++) {
      parts[i] = new Handle(values[i]);
    }
    return parts;
  }

  /** The elements of a float32 tensor, row by row. */
  public float[] floats() {
    try (NDManager scope = Torch.scope()) {
      return value().toTensor((PtNDManager) scope).toFloatArray();
    }
  }

  /** The elements of a tensor of bytes. */
  public byte[] bytes() {
    try (NDManager scope = Torch.scope()) {
      return value().toTensor((PtNDManager) scope).toByteArray();
    }
  }

  /** The elements of an int64 tensor, row by row. */
  public long[] longs() {
    try (NDManager scope = Torch.scope()) {
      return value().toTensor((PtNDManager) scope).toLongArray();
    }
  }

  /**
   * Overwrites a float32 tensor in place; views of it see the new values.
   *
   * @param parts its elements row by row, in one array or in consecutive ones
   */
  public void write(float[]... parts) {
    long[] shape = shape();
    long given = Arrays.stream(parts).mapToLong(part -> part.length).sum();
    if (new Shape(shape).size() != given) {
      throw new IllegalArgumentException(
          "tensor of shape " + new Shape(shape) + " cannot take " + given + " floats");
    }
    try (Handle source = filled(own -> Arrays.stream(parts).forEach(part -> own.put(part)), shape);
        KernelModule kernels =
            KernelModule.compile(
                "write",
                "def write(self, x, data) -> int:\n  x.copy_(data)\n  return 1\n",
                Map.of())) {
      kernels.infer("write", this, source).close();
    }
  }

  public long[] shape() {
    try (NDManager scope = Torch.scope()) {
      return value().toTensor((PtNDManager) scope).getShape().getShape();
    }
  }

  public long asLong() {
    return value().toLong();
  }

  public boolean asBoolean() {
    return value().toBoolean();
  }

  public String asString() {
    return value().toStringValue();
  }

  public double asDouble() {
    return value().toDouble();
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      value.close();
      LIVE.decrementAndGet();
    }
  }
}
