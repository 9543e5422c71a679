package dev.troupe.models.torch;

/**
 * A kernel that does not load or a call that failed; names the kernel and method, with torch's own
 * message.
 */
public final class KernelException extends RuntimeException {
  public KernelException(String message, Throwable cause) {
    super(message, cause);
  }
}
