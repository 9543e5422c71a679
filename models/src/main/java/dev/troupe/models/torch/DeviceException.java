package dev.troupe.models.torch;

/** A device that is not there, or cannot do what it is asked for. */
public final class DeviceException extends RuntimeException {
  public DeviceException(String message) {
    super(message);
  }
}
