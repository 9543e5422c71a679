package dev.troupe.launcher;

import dev.troupe.actors.cluster.ClusterException;
import dev.troupe.actors.cluster.CutOffException;
import dev.troupe.actors.pipeline.PipelineException;
import dev.troupe.actors.role.RoleException;
import dev.troupe.actors.role.RunFilesException;
import dev.troupe.actors.shortage.Shortage;
import dev.troupe.actors.trust.TrustException;
import dev.troupe.configuration.ConfigException;
import dev.troupe.dashboard.DashboardException;
import dev.troupe.engine.EngineException;
import dev.troupe.engine.generation.GenerationException;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.tokenizer.TextTooLongException;
import dev.troupe.models.torch.DeviceException;
import dev.troupe.protocol.event.EventLogException;
import dev.troupe.rlhf.data.DataException;
import dev.troupe.rlhf.evaluation.MeasureException;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.ScorerException;
import dev.troupe.rlhf.port.TextException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.BindException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ParameterException;

/**
 * Tells what a person can mend from what is our fault. The first is one message and exit code 2;
 * the second is one line, a file with the stack trace, and exit code 1.
 */
final class UserErrors {
  /** Exceptions whose message is complete: what, where, found against expected, how to mend it. */
  private static final List<Class<? extends Exception>> COMPLETE =
      List.of(
          UserException.class,
          ConfigException.class,
          CheckpointException.class,
          TextTooLongException.class,
          TextException.class,
          EnvironmentException.class,
          ScorerException.class,
          DataException.class,
          MeasureException.class,
          DashboardException.class,
          EventLogException.class,
          EngineException.class,
          DeviceException.class,
          PipelineException.class,
          ClusterException.class,
          CutOffException.class,
          RunFilesException.class,
          TrustException.class,
          GenerationException.class);

  /** What picocli makes of it, which keeps no cause. */
  private static final Pattern NO_PATH =
      Pattern.compile(
          "cannot convert '(.*)' to interface java\\.nio\\.file\\.Path"
              + " \\(java\\.nio\\.file\\.InvalidPathException: ([^:]*):.*",
          Pattern.DOTALL);

  private UserErrors() {}

  /** The message for the user when anything in the chain of causes is theirs to mend. */
  static Optional<String> message(Throwable thrown) {
    for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
      for (Class<? extends Exception> type : COMPLETE) {
        if (type.isInstance(cause)) {
          return Optional.of(String.valueOf(cause.getMessage()));
        }
      }
      if (cause instanceof RoleException role && role.isUsers()) {
        return Optional.of(String.valueOf(role.getMessage()));
      }
      if (cause instanceof NoSuchFileException missing) {
        return Optional.of(missing.getFile() + ": no such file or directory");
      }
      if (cause instanceof AccessDeniedException denied) {
        return Optional.of(denied.getFile() + ": permission denied");
      }
      if (cause instanceof FileSystemException file && file.getReason() != null) {
        return Optional.of(file.getFile() + ": " + file.getReason());
      }
      if (cause instanceof InvalidPathException path) {
        return Optional.of(invalid(path.getInput(), path.getReason()));
      }
      if (cause instanceof BindException) {
        return Optional.of(
            "cannot listen: "
                + cause.getMessage()
                + "; another program uses the port, name a free one (0 lets the system choose)");
      }
    }
    return Optional.empty();
  }

  private static String invalid(String input, String reason) {
    Charset encoding = GivenArguments.encoding();
    String name = "'" + input + "' is not a path here: " + reason;
    return encoding.equals(StandardCharsets.UTF_8)
        ? name
        : name
            + ". File names are in "
            + encoding
            + ", which Java took from the locale; set LC_ALL=C.UTF-8";
  }

  /** The message of a misused command line, with why an argument is no path. */
  static String withPath(ParameterException thrown) {
    String message = String.valueOf(thrown.getMessage());
    Matcher path = NO_PATH.matcher(message);
    return path.find()
        ? message.substring(0, path.start()) + invalid(path.group(1), path.group(2))
        : message;
  }

  /** Prints and chooses the exit code. */
  static int report(Throwable thrown, PrintWriter err) {
    Optional<String> shortage = Shortage.of(thrown);
    if (shortage.isPresent()) {
      err.println("error: " + shortage.get());
      return ExitCode.FAILURE;
    }
    Optional<String> message = message(thrown);
    if (message.isPresent()) {
      err.println("error: " + message.get());
      return isCutOff(thrown) ? ExitCode.CUT_OFF : ExitCode.USER_ERROR;
    }
    Optional<RoleException> role = role(thrown);
    if (role.isPresent()) {
      err.println("error: " + role.get().getMessage());
      return ExitCode.FAILURE;
    }
    Throwable cause = thrown;
    while ((cause instanceof CompletionException || cause instanceof ExecutionException)
        && cause.getCause() != null) {
      cause = cause.getCause();
    }
    err.println(
        "internal error: "
            + cause.getClass().getSimpleName()
            + (cause.getMessage() == null ? "" : ": " + firstLine(cause.getMessage())));
    err.println(written(thrown));
    return ExitCode.FAILURE;
  }

  private static boolean isCutOff(Throwable thrown) {
    for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
      if (cause instanceof CutOffException) {
        return true;
      }
    }
    return false;
  }

  /** A role that failed or was lost: its message names role and node. */
  private static Optional<RoleException> role(Throwable thrown) {
    for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
      if (cause instanceof RoleException role) {
        return Optional.of(role);
      }
    }
    return Optional.empty();
  }

  private static String firstLine(String text) {
    return text.lines().findFirst().orElse("");
  }

  private static String written(Throwable thrown) {
    StringWriter trace = new StringWriter();
    thrown.printStackTrace(new PrintWriter(trace));
    try {
      Path file = Files.createTempFile("troupe-error-", ".log");
      Files.writeString(file, trace.toString());
      return "this is a defect of Troupe; the details are in " + file;
    } catch (IOException e) {
      return trace.toString();
    }
  }
}
