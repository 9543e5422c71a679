package dev.troupe.models.torch;

import ai.djl.pytorch.jni.JniUtils;
import java.util.function.Supplier;

/** Autograd, which lanes have off. */
public final class GradMode {
  private GradMode() {}

  /** Does work with autograd on, on the current lane. */
  public static <T> T with(Supplier<T> work) {
    JniUtils.setGradMode(true);
    try {
      return work.get();
    } finally {
      JniUtils.setGradMode(false);
    }
  }
}
