package dev.troupe.dashboard;

/** The dashboard cannot be shown; the message says why and what to do. */
public final class DashboardException extends RuntimeException {
  public DashboardException(String message) {
    super(message);
  }

  public DashboardException(String message, Throwable cause) {
    super(message, cause);
  }
}
