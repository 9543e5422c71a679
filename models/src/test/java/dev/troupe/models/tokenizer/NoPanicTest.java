package dev.troupe.models.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What the tokenizers library ends the process over, tried in a process apart: each file was seen
 * to abort one before it was looked for.
 */
class NoPanicTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final String BASE =
      """
      {"version": "1.0", "added_tokens": [], "normalizer": null,
       "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
       "post_processor": null,
       "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
       "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "\u0120": 3}, "merges": [["a", "b"]]}}
      """;

  @TempDir private Path directory;

  /** What replaces a part of the file, by the part and a word of the refusal. */
  private static Map<String, List<String>> hostile() {
    Map<String, List<String>> all = new LinkedHashMap<>();
    all.put(
        "loops", List.of("pre_tokenizer", split("(a+)+b"), "(a+)+b, which may try so many ways"));
    all.put("polynomial", List.of("pre_tokenizer", split(".*.*.*x"), "ends the process"));
    all.put(
        "reference", List.of("pre_tokenizer", split("(.)\\\\1"), "cannot be judged: it has \\1"));
    all.put(
        "deep",
        List.of(
            "pre_tokenizer", split("(".repeat(5000) + "a" + ")".repeat(5000)), "cannot be judged"));
    all.put(
        "untyped",
        List.of(
            "pre_tokenizer", split("(a+)+b").replace("\"type\": \"Split\", ", ""), "has no type"));
    all.put(
        "nested",
        List.of(
            "pre_tokenizer",
            "{\"type\": \"Sequence\", \"pretokenizers\": [" + split("(a|a)*b") + "]}",
            "ends the process"));
    all.put(
        "fixed",
        List.of(
            "pre_tokenizer",
            "{\"type\": \"FixedLength\", \"length\": 0}",
            "splits after 0 letters"));
    all.put(
        "empty",
        List.of(
            "normalizer",
            "{\"type\": \"Replace\", \"pattern\": {\"String\": \"\"}, \"content\": \"x\"}",
            "replaces what may be empty"));
    all.put(
        "nullable",
        List.of(
            "normalizer",
            "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"a*\"}, \"content\": \"x\"}",
            "replaces what may be empty"));
    all.put(
        "catastrophe",
        List.of(
            "normalizer",
            "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(a*)*b\"}, \"content\": \"x\"}",
            "ends the process"));
    all.put(
        "prepend",
        List.of("normalizer", "{\"type\": \"Prepend\", \"prepend\": \"\"}", "prepends nothing"));
    all.put(
        "no map",
        List.of(
            "normalizer",
            "{\"type\": \"Precompiled\", \"precompiled_charsmap\": null}",
            "it is empty"));
    all.put("short map", List.of("normalizer", charsmap(0, 0, 0, 0), "it is empty"));
    all.put(
        "long map",
        List.of(
            "normalizer",
            charsmap(255, 255, 255, 255, 1, 2, 3, 4),
            "is said to have 4294967295 bytes"));
    all.put(
        "wild map",
        List.of(
            "normalizer",
            charsmap(8, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 'a'),
            "leads out of itself"));
    all.put(
        "strip",
        List.of(
            "decoder",
            "{\"type\": \"Strip\", \"content\": \"a\", \"start\": 0, \"stop\": 5}",
            "set the Strip's stop to 0"));
    all.put(
        "template",
        List.of(
            "post_processor",
            "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"[C]\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"pair\": [], \"special_tokens\": {}}",
            "none of its special_tokens"));
    all.put(
        "second",
        List.of(
            "post_processor",
            "{\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {\"id\": \"B\", \"type_id\": 0}}], \"pair\": [], \"special_tokens\": {}}",
            "names a second text"));
    all.put(
        "prefix",
        List.of(
            "model",
            "{\"type\": \"BPE\", \"continuing_subword_prefix\": \"##\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}, \"merges\": [[\"a\", \"b\"]]}",
            "lacks the continuing_subword_prefix"));
    all.put(
        "dropout",
        List.of(
            "model",
            "{\"type\": \"BPE\", \"dropout\": 0.1, \"vocab\": {\"a\": 0}, \"merges\": []}",
            "other tokens each time"));
    all.put(
        "added",
        List.of(
            "added_tokens",
            "[{\"id\": 4, \"content\": \"" + "x".repeat(20_000) + "\", \"special\": true}]",
            "has a token of 20000 letters"));
    return all;
  }

  private static String split(String regex) {
    return "{\"type\": \"Split\", \"pattern\": {\"Regex\": \""
        + regex
        + "\"}, \"behavior\": \"Isolated\", \"invert\": false}";
  }

  private static String charsmap(int... bytes) {
    byte[] all = new byte[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      all[i] = (byte) bytes[i];
    }
    return "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \""
        + Base64.getEncoder().encodeToString(all)
        + "\"}";
  }

  @Test
  void load_hostileFiles_areRefusedByAMessage() throws IOException, InterruptedException {
    for (Map.Entry<String, List<String>> entry : hostile().entrySet()) {
      ObjectNode json = (ObjectNode) JSON.readTree(BASE);
      json.set(entry.getValue().get(0), JSON.readTree(entry.getValue().get(1)));
      Path place = Files.createDirectories(directory.resolve(entry.getKey()));
      Files.writeString(place.resolve("tokenizer.json"), json.toString());
    }
    List<String> said = fork("-Xmx256m", "load", directory.toString());
    hostile()
        .forEach(
            (name, of) ->
                assertThat(said)
                    .as(name)
                    .anyMatch(
                        line -> line.startsWith(name + ": refused") && line.contains(of.get(2))));
    assertThat(said).last().isEqualTo("alive");
  }

  /** Twelve million blanks with Llama 3's words; half a letter; more text than heap. */
  @Test
  void encode_hostileTexts_areRefusedOrRead() throws IOException, InterruptedException {
    ObjectNode json = (ObjectNode) JSON.readTree(BASE);
    ((ObjectNode) json.get("pre_tokenizer")).put("use_regex", false);
    json.set(
        "pre_tokenizer",
        JSON.createObjectNode()
            .put("type", "Sequence")
            .set(
                "pretokenizers",
                JSON.createArrayNode()
                    .add(JSON.readTree(split(GgufTokenizer.LLAMA3_WORDS.replace("\\", "\\\\"))))
                    .add(json.get("pre_tokenizer"))));
    Files.writeString(directory.resolve("tokenizer.json"), json.toString());
    List<String> said = fork("-Xmx64m", "encode", directory.toString());
    assertThat(said)
        .anyMatch(
            line ->
                line.startsWith(
                    "12000000 blanks: refused a text of 12,000,000 letters is too long for the"
                        + " tokenizer of "
                        + directory
                        + ", which safely takes 2,"))
        .contains(
            "100000 blanks: 100000 tokens",
            "half a letter: read",
            "zeros: read",
            "more than heap: OutOfMemoryError",
            "alive");
  }

  private List<String> fork(String... words) throws IOException, InterruptedException {
    Path out = directory.resolve("said.txt");
    List<String> command =
        new java.util.ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                words[0],
                "-cp",
                System.getProperty("java.class.path"),
                Trial.class.getName()));
    command.addAll(List.of(words).subList(1, words.length));
    Process process =
        new ProcessBuilder(command)
            .redirectOutput(out.toFile())
            .redirectError(directory.resolve("err.txt").toFile())
            .start();
    assertThat(process.waitFor(5, TimeUnit.MINUTES)).isTrue();
    assertThat(process.exitValue())
        .as(() -> text(out) + text(directory.resolve("err.txt")))
        .isZero();
    return Files.readAllLines(out);
  }

  private static String text(Path file) {
    try {
      String all = Files.readString(file);
      return all.substring(Math.max(0, all.length() - 2000));
    } catch (IOException e) {
      return e.toString();
    }
  }

  /** The process that is to live on. */
  public static final class Trial {
    private Trial() {}

    public static void main(String[] arguments) throws IOException {
      Path directory = Path.of(arguments[1]);
      if (arguments[0].equals("load")) {
        try (var places = Files.list(directory)) {
          places.filter(Files::isDirectory).sorted().forEach(Trial::load);
        }
      } else {
        encode(directory);
      }
      System.out.println("alive");
    }

    private static void load(Path place) {
      System.out.print(place.getFileName() + ": ");
      System.out.flush();
      try (Tokenizer tokenizer = Tokenizer.load(place)) {
        int[] ids = tokenizer.encodeDocument("Hello  w\u00f6rld " + "a".repeat(40));
        System.out.println("read " + tokenizer.decode(ids).length());
      } catch (CheckpointException e) {
        System.out.println("refused " + e.getMessage());
      }
    }

    private static void encode(Path directory) {
      try (Tokenizer tokenizer = Tokenizer.load(directory)) {
        for (int blanks : new int[] {100_000, 12_000_000}) {
          System.out.print(blanks + " blanks: ");
          try {
            System.out.println(tokenizer.encode(" ".repeat(blanks)).length + " tokens");
          } catch (TextTooLongException e) {
            System.out.println("refused " + e.getMessage());
          }
        }
        System.out.print("half a letter: ");
        tokenizer.encode("a\ud800b");
        tokenizer.encode("\udc00");
        System.out.println("read");
        System.out.print("zeros: ");
        tokenizer.encode("\u0000a\u0000");
        System.out.println("read");
        System.out.print("more than heap: ");
        byte[][] full = new byte[40][];
        try {
          String text = "ab ".repeat(500_000);
          for (int i = 0; i < full.length; i++) {
            full[i] = new byte[1 << 20];
          }
          System.out.println(tokenizer.encode(text).length);
        } catch (OutOfMemoryError e) {
          full = new byte[0][];
          System.out.println("OutOfMemoryError" + (full.length == 0 ? "" : "!"));
        }
      }
    }
  }
}
