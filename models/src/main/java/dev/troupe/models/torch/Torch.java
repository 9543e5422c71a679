package dev.troupe.models.torch;

import ai.djl.engine.Engine;
import ai.djl.engine.StandardCapabilities;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.jni.JniUtils;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The engine of this JVM. */
public final class Torch {
  private static final Logger LOG = LoggerFactory.getLogger(Torch.class);
  private static final ReadWriteLock KERNELS = new ReentrantReadWriteLock();

  /** Kernels that have ended. */
  private static final LongAdder DONE = new LongAdder();

  /** Longest that one is waited for: longer, and it hangs. */
  private static final int LONGEST_SECONDS = 30;

  // Guarded by the class.
  private static boolean ended;

  private static volatile Device device = Device.CPU;

  private Torch() {}

  private static final class Root {
    static final NDManager MANAGER = start();

    private static NDManager start() {
      // On the CPU, where the JVM's numbers are; Handle moves them.
      NDManager manager = Engine.getEngine("PyTorch").newBaseManager(ai.djl.Device.cpu());
      // Before the first operation: a second thread with an OpenMP pool of its own slows every
      // other (docs/adr/0007).
      JniUtils.setNumThreads(1);
      JniUtils.setGraphExecutorOptimize(false);
      JniUtils.setGradMode(false);
      Runtime.getRuntime().addShutdownHook(new Thread(Torch::end, "torch-end"));
      return manager;
    }
  }

  /**
   * Lets this JVM compute on a device; the CPU, unless this is called before the first tensor is
   * made.
   */
  public static synchronized void use(Device wanted) {
    if (!wanted.equals(device) && Handle.live() > 0) {
      throw new DeviceException(
          "this JVM computes on "
              + device
              + " already; "
              + wanted
              + " needs a JVM of its own, or must be chosen first");
    }
    device = wanted;
  }

  /** What this JVM computes on. */
  public static Device device() {
    return device;
  }

  /** Whether the native library, which this loads, was built for CUDA. */
  static boolean knowsCuda() {
    start();
    return Engine.getEngine("PyTorch").hasCapability(StandardCapabilities.CUDA);
  }

  /** Loads the native library, once; later calls do nothing. */
  public static void start() {
    Root.MANAGER.isOpen();
  }

  /**
   * Waits for the kernels at work and lets no other begin, for good. A JVM that ends, by {@code
   * exit} or {@code halt}, runs libtorch's destructors, and a kernel at work would crash it. One
   * that hangs is not waited for.
   */
  public static synchronized void end() {
    if (!ended) {
      ended = true;
      try {
        boolean quiet = KERNELS.writeLock().tryLock(LONGEST_SECONDS, TimeUnit.SECONDS);
        if (!quiet) {
          LOG.warn("a kernel is at work still, and this process ends");
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** Runs a kernel, unless the JVM is ending: then it waits for that. */
  static <T> T kernel(Supplier<T> kernel) {
    KERNELS.readLock().lock();
    try {
      return kernel.get();
    } finally {
      DONE.increment();
      KERNELS.readLock().unlock();
    }
  }

  /** How many kernels have ended in this JVM. */
  public static long kernels() {
    return DONE.sum();
  }

  /** A scope for DJL arrays that close with it. */
  static NDManager scope() {
    return Root.MANAGER.newSubManager();
  }

  static NDManager root() {
    return Root.MANAGER;
  }
}
