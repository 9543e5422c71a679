package dev.troupe.tests;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * A fenced block of a document.
 *
 * @param place document and line
 * @param language the fence's first word; empty where it has none
 * @param notRun why no test runs it, from {@code not-run: why} behind the language; else empty
 */
record Snippet(String place, String language, String notRun, String text) {
  static final Path ROOT = Quickstarts.ROOT;
  private static final String FENCE = "```";

  /** README, CONTRIBUTING and all of docs and bench. */
  static List<Path> documents() throws IOException {
    List<Path> documents =
        new ArrayList<>(
            List.of(
                ROOT.resolve("README.md"),
                ROOT.resolve("CONTRIBUTING.md"),
                ROOT.resolve("bench/README.md")));
    try (Stream<Path> docs = Files.walk(ROOT.resolve("docs"))) {
      docs.filter(path -> path.toString().endsWith(".md")).sorted().forEach(documents::add);
    }
    return documents;
  }

  static List<Snippet> all() throws IOException {
    List<Snippet> snippets = new ArrayList<>();
    for (Path document : documents()) {
      snippets.addAll(of(ROOT.relativize(document).toString(), Files.readAllLines(document)));
    }
    return snippets;
  }

  static List<Snippet> of(String language) throws IOException {
    return all().stream()
        .filter(snippet -> snippet.language.equals(language) && snippet.notRun.isEmpty())
        .toList();
  }

  static List<Snippet> of(String document, List<String> lines) {
    List<Snippet> snippets = new ArrayList<>();
    for (int i = 0; i < lines.size(); i++) {
      if (lines.get(i).strip().startsWith(FENCE)) {
        int start = i++;
        StringBuilder text = new StringBuilder();
        while (i < lines.size() && !lines.get(i).strip().equals(FENCE)) {
          text.append(lines.get(i++)).append('\n');
        }
        String info = lines.get(start).strip().substring(FENCE.length()).strip();
        String[] words = info.split(" ", 2);
        String remark = words.length > 1 ? words[1] : "";
        snippets.add(
            new Snippet(
                document + ":" + (start + 1),
                words[0],
                remark.startsWith("not-run: ") ? remark.substring(9).strip() : "",
                text.toString()));
      }
    }
    return snippets;
  }

  /** Command lines without remarks and prompts; a backslash joins lines. */
  List<String> commands() {
    return text.replace("\\\n", " ")
        .lines()
        .map(line -> line.replaceAll("(^|\\s)#.*", "").strip())
        .filter(line -> !line.isEmpty())
        .toList();
  }

  /** Words of a command line as a shell splits them, without its settings of the environment. */
  static List<String> words(String command) {
    List<String> words = new ArrayList<>();
    StringBuilder word = new StringBuilder();
    boolean inWord = false;
    char quote = 0;
    for (int i = 0; i < command.length(); i++) {
      char c = command.charAt(i);
      if (quote != 0 ? c == quote : c == '\'' || c == '"') {
        quote = quote == 0 ? c : 0;
        inWord = true;
      } else if (quote == 0 && c == ' ') {
        if (inWord) {
          words.add(word.toString());
          word.setLength(0);
          inWord = false;
        }
      } else {
        word.append(c);
        inWord = true;
      }
    }
    if (inWord) {
      words.add(word.toString());
    }
    while (!words.isEmpty() && words.get(0).matches("[A-Z_]+=.*")) {
      words.remove(0);
    }
    return words;
  }

  @Override
  public String toString() {
    return place;
  }
}
