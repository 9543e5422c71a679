package dev.troupe.actors.shortage;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A machine that has run out of something: memory of one kind or another, room on disk, files,
 * threads. Nobody's defect, and what to do about it depends on the kind alone.
 */
public final class Shortage {
  /** Torch's words, on the CPU and on a GPU. */
  private static final Pattern TORCH =
      Pattern.compile(
          "DefaultCPUAllocator|not enough memory: you tried|(?:CUDA|HIP) out of memory|std::bad_alloc");

  private static final Pattern BYTES =
      Pattern.compile("[Tt]ried to allocate ([\\d.]+) (bytes|[KMGT]iB)");

  /** What the system says of a file, by what to do about it. */
  private static final List<Kind> KINDS =
      List.of(
          new Kind(
              "No space left on device",
              "the disk is full; make room, or name a directory on another one"
                  + " (--set output=DIR)"),
          new Kind(
              "Disk quota exceeded",
              "this user's share of the disk is used up; make room, or name a directory on another"
                  + " one (--set output=DIR)"),
          new Kind(
              "Read-only file system",
              "nothing can be written there; name a directory elsewhere (--set output=DIR)"),
          new Kind(
              "Too many open files",
              "this process may open no more files; raise the limit (ulimit -n 65536)"),
          new Kind(
              "Too many open files in system",
              "this machine may open no more files; end other programs or raise fs.file-max"),
          new Kind(
              "File too large",
              "the file system or ulimit -f takes no larger file; name a directory elsewhere"
                  + " (--set output=DIR)"),
          new Kind(
              "Cannot allocate memory",
              "the machine has no memory left; end other programs or take a smaller model"));

  private record Kind(String reason, String mend) {}

  private Shortage() {}

  /** What ran out, where, and what to do; empty when that is not what happened. */
  public static Optional<String> of(Throwable thrown) {
    String told = "";
    for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
      Optional<String> memory =
          cause instanceof OutOfMemoryError
              ? Optional.of(memory(String.valueOf(cause.getMessage())))
              : cause instanceof IOException ? Optional.empty() : torch(cause);
      if (memory.isPresent()) {
        return memory;
      }
      if (cause instanceof IOException) {
        Optional<Kind> kind = kind(String.valueOf(cause.getMessage()));
        if (kind.isPresent()) {
          return Optional.of(where(told, cause, kind.get()) + ": " + kind.get().mend());
        }
      }
      // What wraps it names the file, where the system does not.
      if (cause.getMessage() != null && told.isEmpty()) {
        told = cause.getMessage();
      }
    }
    return Optional.empty();
  }

  /** Of an actor system that ended by itself, which it does when one of its threads fails. */
  public static String ofActorSystem() {
    return "this JVM's actor system ended by itself, as it does when it gets no more memory or"
        + " threads; what it was is on its standard error. Give the JVM more"
        + " (TROUPE_HEAP=4g or -Xmx4g, -XX:MaxDirectMemorySize=1g, ulimit -u)";
  }

  private static Optional<Kind> kind(String message) {
    // Java's older ways to open a file have the reason in parentheses behind its name.
    return KINDS.stream()
        .filter(kind -> message.endsWith(kind.reason()) || message.endsWith(parenthesised(kind)))
        .findFirst();
  }

  private static String parenthesised(Kind kind) {
    return " (" + kind.reason() + ")";
  }

  private static String where(String told, Throwable cause, Kind kind) {
    if (cause instanceof FileSystemException file && file.getFile() != null) {
      return file.getFile();
    }
    String message = String.valueOf(cause.getMessage());
    if (message.endsWith(parenthesised(kind))) {
      return message.substring(0, message.length() - parenthesised(kind).length());
    }
    String shorter =
        told.replaceFirst("(: )?(java\\.\\S+Exception: )?" + Pattern.quote(kind.reason()), "")
            .strip();
    return shorter.isEmpty() ? kind.reason() : shorter;
  }

  private static String memory(String message) {
    String lower = message.toLowerCase(Locale.ROOT);
    if (lower.contains("direct buffer")) {
      return "out of memory for direct buffers ("
          + message
          + "): give the JVM more with -XX:MaxDirectMemorySize=1g (TROUPE_JAVA_OPTS for the command"
          + " line)";
    } else if (lower.contains("native thread")) {
      return "the machine lets this user start no more threads: raise ulimit -u, or the container's"
          + " limit of processes";
    } else if (lower.contains("metaspace") || lower.contains("class space")) {
      return "out of memory for classes (" + message + "): raise -XX:MaxMetaspaceSize";
    } else if (lower.contains("map failed") || lower.contains("mmap")) {
      return "the system maps no more memory for files ("
          + message
          + "): raise ulimit -v or vm.max_map_count, or end other programs";
    }
    return "out of memory: the JVM's heap of "
        + readable(Runtime.getRuntime().maxMemory())
        + " is full. Give it more (TROUPE_HEAP=4g for the command line, -Xmx4g elsewhere), or keep"
        + " less in it: less data, smaller batches";
  }

  private static Optional<String> torch(Throwable cause) {
    String message = String.valueOf(cause.getMessage());
    if (!TORCH.matcher(message).find()) {
      return Optional.empty();
    }
    Matcher bytes = BYTES.matcher(message);
    String asked =
        !bytes.find()
            ? ""
            : bytes.group(2).equals("bytes")
                ? " when "
                    + readable((long) Double.parseDouble(bytes.group(1)))
                    + " more were needed"
                : " when " + bytes.group(1) + " " + bytes.group(2) + " more were needed";
    return Optional.of(
        "out of memory for tensors"
            + asked
            + ": take smaller batches (micro-batch-tokens) or shorter texts, a smaller model, or"
            + " end other programs; troupe plan says what a run needs");
  }

  private static String readable(long bytes) {
    return bytes >= 1L << 30
        ? String.format(Locale.ROOT, "%.1f GiB", bytes / (double) (1L << 30))
        : String.format(Locale.ROOT, "%d MiB", bytes >> 20);
  }
}
