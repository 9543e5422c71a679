package ai.djl.pytorch.jni;

/**
 * Runs a TorchScript method with any IValues and the choice of grad mode, which DJL's public API
 * does not offer.
 */
public final class KernelCall {
  private KernelCall() {}

  /**
   * Runs {@code method} of a loaded module.
   *
   * @param train true lets autograd see the call; false runs it in InferenceMode, whose results
   *     must not enter a differentiable call
   * @return the result, owned by the caller
   */
  public static IValue run(long module, String method, boolean train, IValue... arguments) {
    long[] handles = new long[arguments.length];
    for (int i = 0; i < handles.length; i++) {
      handles[i] = arguments[i].getHandle();
    }
    return new IValue(PyTorchLibrary.LIB.moduleRunMethod(module, method, handles, train, false));
  }
}
