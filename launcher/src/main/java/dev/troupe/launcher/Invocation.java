package dev.troupe.launcher;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Collectors;

/** Command lines of this program that a person can paste where they stand. */
final class Invocation {
  private Invocation() {}

  /** Such as {@code ../troupe run 'my runs/a.conf'}: the program as it was called this time. */
  static String line(String... arguments) {
    return quoted(System.getProperty("troupe.command", "./troupe"))
        + Arrays.stream(arguments).map(word -> " " + quoted(word)).collect(Collectors.joining());
  }

  /** A path as short as it can be said from the directory that the command was given in. */
  static String path(Path path) {
    Path here = Path.of("").toAbsolutePath().normalize();
    Path absolute = path.toAbsolutePath().normalize();
    return absolute.startsWith(here) && !absolute.equals(here)
        ? here.relativize(absolute).toString()
        : path.toString();
  }

  /** One word of a POSIX shell, in quotes where it needs them. */
  static String quoted(String word) {
    if (word.matches("[\\w./=:,@%+-]+")) {
      return word;
    }
    if (word.indexOf('\n') < 0) {
      return "'" + word.replace("'", "'\\''") + "'";
    }
    // Bash, zsh and ksh: on one line, so that it can be read and pasted.
    return "$'" + word.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'";
  }
}
