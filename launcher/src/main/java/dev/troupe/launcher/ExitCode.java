package dev.troupe.launcher;

/** What a script may rely on. */
final class ExitCode {
  static final int OK = 0;

  /** The work failed, through no fault of the command line. */
  static final int FAILURE = 1;

  /** Usage, configuration, data or model: something that the user can mend. */
  static final int USER_ERROR = 2;

  /** A node and its run did not hear of one another for too long: to be started again. */
  static final int CUT_OFF = 3;

  /** Ctrl-C, as shells have it: 128 and the signal's number. */
  static final int INTERRUPTED = 130;

  /** SIGTERM, likewise. */
  static final int TERMINATED = 143;

  private ExitCode() {}
}
