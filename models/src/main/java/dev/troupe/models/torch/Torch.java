package dev.troupe.models.torch;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.jni.JniUtils;

/** The engine of this JVM. */
public final class Torch {
  private Torch() {}

  private static final class Root {
    static final NDManager MANAGER = start();

    private static NDManager start() {
      NDManager manager = Engine.getEngine("PyTorch").newBaseManager();
      // Before the first operation: a second thread with an OpenMP pool of its own slows every
      // other (docs/adr/0007).
      JniUtils.setNumThreads(1);
      JniUtils.setGraphExecutorOptimize(false);
      JniUtils.setGradMode(false);
      return manager;
    }
  }

  /** Loads the native library, once; later calls do nothing. */
  public static void start() {
    Root.MANAGER.isOpen();
  }

  /** A scope for DJL arrays that close with it. */
  static NDManager scope() {
    return Root.MANAGER.newSubManager();
  }

  static NDManager root() {
    return Root.MANAGER;
  }
}
