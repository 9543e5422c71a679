package dev.troupe.engine.generation;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.troupe.models.torch.NativeLibrary;

/** What tests of the library's operators need. */
final class LibraryHere {
  private LibraryHere() {}

  /** On other platforms there is no library to test. */
  static void assumeLoaded() {
    NativeLibrary.State state = NativeLibrary.state();
    assumeTrue(state instanceof NativeLibrary.Loaded, state::toString);
  }

  static NativeLibrary.Loaded loaded() {
    return (NativeLibrary.Loaded) NativeLibrary.state();
  }

  /** Whether both sides hold int8 weights in the same steps here. To be called on a lane. */
  static boolean sharesSteps() {
    return loaded().largestWeight() == ByteProducts.largestWeight();
  }
}
