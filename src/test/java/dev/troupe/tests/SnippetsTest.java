package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.launcher.Troupe;
import dev.troupe.rlhf.data.RecordFile;
import dev.troupe.rlhf.data.SourceConfig;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.GZIPOutputStream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What the documents show works, from an empty directory outside the repository. Each fenced block
 * says by its language what it is: sh is run, hocon loaded, jsonl read as data, java compiled, xml
 * held to the poms; text is no input. What no test can run says {@code not-run: why} behind it.
 */
class SnippetsTest {
  private static final Set<String> LANGUAGES =
      Set.of("sh", "hocon", "jsonl", "json", "java", "xml", "python", "text");

  /** Commands that last, or wait for people: their options are held to their help. */
  private static final Set<String> LONG =
      Set.of("run", "launch", "node", "dashboard", "bench", "certificates");

  /** Names in the documents that stand for a reader's own. */
  private static final String MODEL = "/models/my-llama";

  private static final String GGUF = "gemma-3-270m-q4_k_m.gguf";

  private static final Pattern MODULES = Pattern.compile("-pl (\\S+)");
  private static final Pattern TESTS = Pattern.compile("-Dtest=(\\S+)");

  @TempDir Path empty;

  static List<Snippet> every() throws IOException {
    return Snippet.all();
  }

  @ParameterizedTest
  @MethodSource("every")
  void everyBlock_saysWhatItIs(Snippet snippet) {
    assertThat(snippet.language())
        .as("%s: the language behind the fence, for the test to know it by", snippet)
        .isIn(LANGUAGES);
    if (snippet.language().equals("text")) {
      assertThat(snippet.text())
          .as("commands are sh")
          .doesNotContainPattern("(?m)^(\\./)?troupe [a-z]");
    }
    if (snippet.language().equals("python")) {
      assertThat(snippet.notRun()).as("%s: no test has Python", snippet).isNotEmpty();
    }
    if (snippet.notRun().isEmpty()) {
      assertThat(snippet.text()).as("%s: a reader cannot paste this", snippet).isNotBlank();
    }
  }

  /** Else a command could hide from the tests below. */
  @Test
  void commands_areFenced() throws IOException {
    for (Path document : Snippet.documents()) {
      assertThat(Files.readAllLines(document))
          .as("%s: commands indented by four blanks", document)
          .noneMatch(line -> line.matches(" {4}([A-Z_]+=\\S+ )*(\\./troupe|troupe|mvn) .*"));
    }
  }

  /** Each message that troubleshooting explains is one that the code can give. */
  @Test
  void messages_areInTheCode() throws IOException {
    StringBuilder literals = new StringBuilder();
    try (var files = Files.walk(Snippet.ROOT)) {
      for (Path file : files.filter(SnippetsTest::isMainSource).toList()) {
        literals.append(Files.readString(file).replaceAll("\"\\s*\\+\\s*\"", ""));
      }
    }
    int messages = 0;
    for (String line : Files.readAllLines(Snippet.ROOT.resolve("docs/troubleshooting.md"))) {
      if (line.startsWith("| `")) {
        String message = line.substring(3, line.indexOf("` |"));
        for (String part : message.split("…", -1)) {
          assertThat(literals.indexOf(part.strip())).as("%s, of: %s", part, line).isNotNegative();
        }
        messages++;
      }
    }
    assertThat(messages).isGreaterThan(25);
  }

  private static boolean isMainSource(Path path) {
    return path.toString().endsWith(".java") && path.toString().contains("/src/main/");
  }

  static List<Snippet> hocon() throws IOException {
    return Snippet.of("hocon");
  }

  /** A part of a configuration is one with the defaults beside it. */
  @ParameterizedTest
  @MethodSource("hocon")
  void hocon_loads(Snippet snippet) throws IOException {
    Path file = Files.writeString(empty.resolve("mine.conf"), snippet.text());
    List<String> model =
        snippet.text().contains("model =") ? List.of() : List.of("model=\"" + MODEL + "\"");
    assertThatCode(() -> PipelineConfigurations.loader().load(file, model))
        .doesNotThrowAnyException();
  }

  @Test
  void jsonl_isReadAsData() throws IOException {
    for (Snippet snippet : Snippet.of("jsonl")) {
      for (String line : snippet.text().lines().toList()) {
        Path file = Files.writeString(empty.resolve("data.jsonl"), line + "\n");
        assertThat(RecordFile.read(SourceConfig.of(file.toString()))).as(line).hasSize(1);
      }
    }
  }

  @Test
  void json_isJson() throws IOException {
    for (Snippet snippet : Snippet.of("json")) {
      assertThatCode(() -> new ObjectMapper().readTree(snippet.text()))
          .as("%s", snippet)
          .doesNotThrowAnyException();
    }
  }

  @Test
  void java_compiles() throws IOException {
    List<Snippet> snippets = Snippet.of("java");
    assertThat(snippets).isNotEmpty();
    for (Snippet snippet : snippets) {
      Matcher name = Pattern.compile("class (\\w+)").matcher(snippet.text());
      assertThat(name.find()).as("%s: a class", snippet).isTrue();
      Path source = empty.resolve(name.group(1) + ".java");
      Files.writeString(source, snippet.text());
      int code =
          ToolProvider.getSystemJavaCompiler()
              .run(
                  null,
                  null,
                  null,
                  "-proc:none",
                  "-cp",
                  System.getProperty("java.class.path"),
                  "-d",
                  empty.toString(),
                  source.toString());
      assertThat(code).as("%s compiles", snippet).isZero();
    }
  }

  /** Coordinates are those that the poms build. */
  @Test
  void xml_namesOurArtifacts() throws IOException {
    String poms = Files.readString(Snippet.ROOT.resolve("pom.xml"));
    Matcher version = Pattern.compile("<version>([^<]+)</version>").matcher(poms);
    assertThat(version.find()).isTrue();
    List<Snippet> snippets = Snippet.of("xml");
    assertThat(snippets).isNotEmpty();
    for (Snippet snippet : snippets) {
      assertThat(snippet.text()).contains("<groupId>dev.troupe</groupId>");
      assertThat(snippet.text()).contains("<version>" + version.group(1) + "</version>");
      Matcher artifact =
          Pattern.compile("<artifactId>troupe-([\\w-]+)</artifactId>").matcher(snippet.text());
      assertThat(artifact.find()).isTrue();
      assertThat(Snippet.ROOT.resolve(artifact.group(1)).resolve("pom.xml")).exists();
    }
  }

  /** Builds are not run from within one: their modules and tests exist. */
  @Test
  void sh_mavenNamesWhatIsThere() throws IOException {
    for (Snippet snippet : Snippet.of("sh")) {
      for (String command : snippet.commands()) {
        if (Snippet.words(command).get(0).equals("mvn")) {
          Matcher modules = MODULES.matcher(command);
          while (modules.find()) {
            for (String module : modules.group(1).split(",", -1)) {
              assertThat(Snippet.ROOT.resolve(module).resolve("pom.xml")).as(command).exists();
            }
          }
          Matcher tests = TESTS.matcher(command);
          while (tests.find()) {
            for (String test : tests.group(1).replace("'", "").split(",", -1)) {
              assertThat(exists(test)).as("%s: the test %s", snippet, test).isTrue();
            }
          }
        }
      }
    }
  }

  private static boolean exists(String test) throws IOException {
    String[] parts = test.split("#", 2);
    try (var files = Files.walk(Snippet.ROOT)) {
      for (Path file : files.filter(path -> path.endsWith(parts[0] + ".java")).limit(1).toList()) {
        return parts.length == 1
            || Files.readString(file).contains(" " + parts[1].replace("*", "") + "(");
      }
    }
    return false;
  }

  /** In one JVM of its own, which stands in a directory with a reader's files and nothing else. */
  @Test
  void sh_troupeWorks_whereAReaderStands() throws Exception {
    layOut();
    List<String> commands = new ArrayList<>();
    commands.add("export\tmodels/my-llama\t--format\tgguf\t--output\texported");
    commands.add(fixture());
    for (Snippet snippet : Snippet.of("sh")) {
      for (String command : snippet.commands()) {
        List<String> words = Snippet.words(command);
        assertThat(words.get(0))
            .as("%s: what no test runs is marked not-run: why", snippet)
            .isIn("troupe", "./troupe", "mvn");
        if (!words.get(0).equals("mvn")) {
          commands.addAll(run(snippet, words.subList(1, words.size())));
        }
      }
    }
    assertThat(commands).hasSizeGreaterThan(15);
    assertThat(output(commands).lines().filter(line -> line.matches("(FAILED|DONE) .*")))
        .containsExactly("DONE " + commands.size());
  }

  /** The files that README's configuration names, and a model under the name that it gives it. */
  private void layOut() throws IOException {
    Snippet mine =
        Snippet.of("hocon").stream()
            .filter(snippet -> snippet.text().contains("output = runs/mine"))
            .findFirst()
            .orElseThrow();
    Files.writeString(empty.resolve("mine.conf"), mine.text().replace(MODEL, "models/my-llama"));
    Files.createDirectories(empty.resolve("models"));
    Files.createSymbolicLink(
        empty.resolve("models/my-llama"), Snippet.ROOT.resolve("configs/quickstart-base"));
    // Where the fixture's export will put it.
    Files.createSymbolicLink(empty.resolve(GGUF), Path.of("exported/model.gguf"));
    StringBuilder dialogues = new StringBuilder();
    StringBuilder pairs = new StringBuilder();
    StringBuilder texts = new StringBuilder();
    for (int i = 0; i < 400; i++) {
      String prompt = "Customer: Hello. Do you have salt " + i + "?\\nClerk:";
      dialogues.append(record("prompt", prompt, "completion", " With pleasure!"));
      pairs.append(record("prompt", prompt, "chosen", " With pleasure!", "rejected", " No " + i));
      texts.append(record("text", "Do you have salt?"));
    }
    try (var gzip =
        new GZIPOutputStream(Files.newOutputStream(empty.resolve("dialogues.jsonl.gz")))) {
      gzip.write(dialogues.toString().getBytes(StandardCharsets.UTF_8));
    }
    Files.writeString(empty.resolve("pairs.jsonl"), pairs);
    Files.writeString(
        empty.resolve("texts.jsonl"),
        texts.substring(0, 100).lines().findFirst().orElseThrow() + "\n");
  }

  private static String record(String... keysAndTexts) {
    List<String> parts = new ArrayList<>();
    for (int i = 0; i < keysAndTexts.length; i += 2) {
      parts.add("\"" + keysAndTexts[i] + "\": \"" + keysAndTexts[i + 1] + "\"");
    }
    return "{" + String.join(", ", parts) + "}\n";
  }

  /** README's own configuration, cut short: the adapters that later commands name. */
  private static String fixture() {
    return String.join(
        "\t",
        "run",
        "mine.conf",
        "--set",
        "data.sft=[{path=pairs.jsonl,limit=96}]",
        "--set",
        "data.preferences=[{path=pairs.jsonl,limit=96}]",
        "--set",
        "data.prompts=[{path=pairs.jsonl,limit=64}]",
        "--set",
        "sft.held-out=16",
        "--set",
        "reward.held-out=16",
        "--set",
        "ppo.iterations=1",
        "--set",
        "ppo.prompts-per-iteration=16",
        "--set",
        "ppo.evaluation.held-out=16",
        "--set",
        "ppo.generation.max-new-tokens=8",
        "--set",
        "ppo.evaluation.generation.max-new-tokens=8",
        "--set",
        "dashboard.enabled=false");
  }

  /** What stands for the command: itself, or for one that lasts its plan and its help. */
  private List<String> run(Snippet snippet, List<String> given) {
    List<String> words =
        new ArrayList<>(
            given.stream()
                .map(
                    word ->
                        word.startsWith("configs/")
                            ? Snippet.ROOT.resolve(word).toString()
                            : word.replaceFirst("^/models/", "models/"))
                .toList());
    String command = words.get(0);
    if (!LONG.contains(command)) {
      return List.of(String.join("\t", words));
    }
    Set<String> options =
        new LinkedHashSet<>(words.stream().filter(w -> w.startsWith("--")).toList());
    String help = help(command.equals("bench") ? words.subList(0, 2) : List.of(command));
    for (String option : options) {
      assertThat(help).as("%s: options of %s", snippet, command).contains(option.split("=", 2)[0]);
    }
    if (!command.equals("run") && !command.equals("launch")) {
      return List.of();
    }
    List<String> plan = new ArrayList<>(List.of("plan"));
    for (int i = 1; i < words.size(); i++) {
      if (words.get(i).equals("--set")) {
        plan.add("--set");
        plan.add(words.get(++i));
      } else if (words.get(i).endsWith(".conf")) {
        plan.add(words.get(i).equals("my.conf") ? "mine.conf" : words.get(i));
      }
    }
    return List.of(String.join("\t", plan));
  }

  private static String help(List<String> command) {
    StringWriter out = new StringWriter();
    List<String> words = new ArrayList<>(command);
    words.add("--help");
    int code =
        Troupe.execute(new PrintWriter(out), new PrintWriter(out), words.toArray(String[]::new));
    assertThat(code).as("%s", words).isZero();
    return out.toString();
  }

  private String output(List<String> commands) throws IOException, InterruptedException {
    Path list = Files.write(Files.createTempFile("commands", ".txt"), commands);
    ProcessBuilder builder =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "-cp",
                System.getProperty("java.class.path"),
                SnippetCommands.class.getName(),
                list.toString())
            .directory(empty.toFile())
            .redirectErrorStream(true)
            .redirectInput(Path.of("/dev/null").toFile());
    Map<String, String> environment = builder.environment();
    environment.put("TROUPE_HOME", Snippet.ROOT.toString());
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output.toLowerCase(Locale.ROOT)).isZero();
    Files.delete(list);
    return output;
  }
}
