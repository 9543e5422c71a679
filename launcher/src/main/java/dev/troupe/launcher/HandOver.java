package dev.troupe.launcher;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.role.RunFiles;
import dev.troupe.actors.trust.Credentials;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/**
 * What a node that a command started is told over its standard input, or ssh's, where nobody else
 * sees it: the run's directory, in a line, and its credentials.
 *
 * @param output as the configuration names it
 */
record HandOver(String output, Credentials credentials) {
  /** A key and two certificates are 2 kB. */
  private static final int LONGEST = 1 << 16;

  byte[] bytes() {
    return (output + "\n" + credentials.text() + Credentials.END + "\n")
        .getBytes(StandardCharsets.UTF_8);
  }

  /** Reads so much of standard input and no more. */
  static HandOver read(InputStream input) {
    StringBuilder credentials = new StringBuilder();
    try {
      String output = line(input);
      for (String line = line(input); !line.equals(Credentials.END); line = line(input)) {
        credentials.append(line).append('\n');
        if (credentials.length() > LONGEST) {
          throw new UserException("standard input does not hold a node's credentials");
        }
      }
      return new HandOver(output, Credentials.parse(credentials.toString(), "standard input"));
    } catch (IOException e) {
      throw new UserException(
          "no credentials came over standard input; --managed is for nodes that troupe launch"
              + " starts. Give others --certificates DIR and --output DIR",
          e);
    }
  }

  private static String line(InputStream input) throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    for (int next = input.read(); next != '\n'; next = input.read()) {
      if (next < 0 || line.size() > LONGEST) {
        throw new IOException("ended early");
      }
      line.write(next);
    }
    return line.toString(StandardCharsets.UTF_8);
  }

  Ensemble.Place place() {
    try {
      return new Ensemble.Place(credentials, RunFiles.of(Path.of(output)));
    } catch (InvalidPathException e) {
      throw new UserException("the run's directory is no path here: " + e.getReason(), e);
    }
  }
}
