package dev.troupe.tests;

import dev.troupe.launcher.Troupe;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * A JVM that stands where a reader of the documents stands, and does what they say: each line of
 * the file named is a command's words, parted by tabs. Prints one line for each that failed.
 */
final class SnippetCommands {
  private SnippetCommands() {}

  public static void main(String[] arguments) throws IOException {
    List<String> commands = Files.readAllLines(Path.of(arguments[0]));
    for (String command : commands) {
      String[] words = command.split("\t", -1);
      StringWriter out = new StringWriter();
      StringWriter err = new StringWriter();
      long start = System.nanoTime();
      int code = Troupe.execute(new PrintWriter(out), new PrintWriter(err), words);
      System.out.println(
          (System.nanoTime() - start) / 1_000_000 + " ms: " + String.join(" ", words));
      if (code != 0) {
        System.out.println(
            "FAILED " + code + ": " + Arrays.toString(words) + ": " + oneLine(err + " " + out));
      }
    }
    System.out.println("DONE " + commands.size());
    System.exit(0);
  }

  private static String oneLine(String text) {
    return text.strip().replace("\n", " | ");
  }
}
