package dev.troupe.tests.hostile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import com.sun.management.ThreadMXBean;
import com.typesafe.config.ConfigFactory;
import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.SafetensorsFile;
import dev.troupe.models.checkpoint.gguf.GgufFile;
import dev.troupe.models.peft.AdapterConfig;
import dev.troupe.models.tokenizer.ChatTurn;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.kryo.WireSerializer;
import dev.troupe.protocol.message.RoleWorker;
import dev.troupe.rlhf.data.DataException;
import dev.troupe.rlhf.data.RecordFile;
import dev.troupe.rlhf.data.SourceConfig;
import dev.troupe.rlhf.reward.MathAnswer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.pekko.actor.ExtendedActorSystem;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.actor.typed.javadsl.Behaviors;

/**
 * A kind of file that may come from a stranger: a good one of it, and how it is read. Whatever its
 * bytes, it is read or refused with one clear message, without a crash, a hang, or memory out of
 * proportion.
 */
enum HostileFile {
  SAFETENSORS("models/src/test/resources/golden/untied-llama3-fp16/model.safetensors") {
    @Override
    void read(Path directory, byte[] bytes) throws IOException {
      Path file = Files.write(directory.resolve("model.safetensors"), bytes);
      try (SafetensorsFile opened = SafetensorsFile.open(file)) {
        opened.names().forEach(opened::floats);
      }
    }
  },
  CONFIG("models/src/test/resources/golden/untied-llama3-fp16/config.json") {
    @Override
    void read(Path directory, byte[] bytes) throws IOException {
      Files.write(directory.resolve("config.json"), bytes);
      Files.write(directory.resolve("model.safetensors"), SAFETENSORS.good());
      Checkpoint.open(directory).close();
    }
  },
  ADAPTER_CONFIG("models/src/test/resources/golden/gqa-adapter/adapter_config.json") {
    @Override
    void read(Path directory, byte[] bytes) throws IOException {
      Files.write(directory.resolve("adapter_config.json"), bytes);
      Files.write(directory.resolve("config.json"), CONFIG.good());
      AdapterConfig.read(directory, ModelConfig.read(directory));
    }
  },
  TOKENIZER("models/src/test/resources/golden/gqa-tied-bf16/tokenizer.json") {
    @Override
    void read(Path directory, byte[] bytes) throws IOException {
      Files.write(directory.resolve("tokenizer.json"), bytes);
      try (Tokenizer tokenizer = Tokenizer.load(directory)) {
        tokenizer.decode(tokenizer.encode("Hello  wörld <|endoftext|> 12345 \n\t"));
      }
    }
  },
  CHAT_TEMPLATE("models/src/test/resources/golden/gqa-tied-bf16/chat_template.jinja") {
    @Override
    void read(Path directory, byte[] bytes) throws IOException {
      Files.write(directory.resolve("tokenizer.json"), TOKENIZER.good());
      Files.write(directory.resolve("chat_template.jinja"), bytes);
      try (Tokenizer tokenizer = Tokenizer.load(directory)) {
        tokenizer
            .chatTemplate()
            .ifPresent(
                template ->
                    template.render(
                        List.of(
                            new ChatTurn("system", "Be brief."),
                            new ChatTurn("user", "Hello {{ 7 * 7 }}"),
                            new ChatTurn("assistant", "Hi")),
                        true));
      } finally {
        Files.delete(directory.resolve("chat_template.jinja"));
      }
    }
  },
  GGUF("models/src/test/resources/golden/gguf/types.gguf") {
    @Override
    void read(Path directory, byte[] bytes) throws IOException {
      try (GgufFile file = GgufFile.open(Files.write(directory.resolve("types.gguf"), bytes))) {
        file.tensors().keySet().forEach(file::floats);
      }
    }
  },
  GGUF_MODEL("models/src/test/resources/golden/gguf/qwen3.gguf") {
    @Override
    void read(Path directory, byte[] bytes) throws IOException {
      try (Checkpoint model = Checkpoint.open(Files.write(directory.resolve("m.gguf"), bytes))) {
        model.names().forEach(model::floats);
      }
    }
  },
  GGUF_TOKENIZER("models/src/test/resources/golden/gguf/words.gguf") {
    @Override
    void read(Path directory, byte[] bytes) throws IOException {
      Path file = Files.write(directory.resolve("words.gguf"), bytes);
      try (Tokenizer tokenizer = Tokenizer.load(file)) {
        tokenizer.decode(tokenizer.encode("Hello  wörld <|endoftext|> 12345 \n\t"));
      }
    }
  },
  RECORDS("") {
    @Override
    byte[] good() {
      return """
          {"prompt": "Say hello.", "chosen": "Hello!", "rejected": "No."}
          {"prompt": "Caf\\u00e9?", "chosen": "Oui \\ud83d\\ude00", "rejected": "Non"}
          {"prompt": "Why?", "chosen": "Because of \\n\\"this\\".", "rejected": "No."}
          """
          .getBytes(StandardCharsets.UTF_8);
    }

    @Override
    void read(Path directory, byte[] bytes) throws IOException {
      Path file = Files.write(directory.resolve("records.jsonl"), bytes);
      RecordFile.read(SourceConfig.of(file.toString()));
    }
  },
  CSV("") {
    @Override
    byte[] good() {
      return """
          prompt,completion,label
          Say hello.,"Hello, ""you""!",true
          Caf\u00e9?,"Oui
          non",1
          Why?,,
          """
          .getBytes(StandardCharsets.UTF_8);
    }

    @Override
    void read(Path directory, byte[] bytes) throws IOException {
      Path file = Files.write(directory.resolve("records.csv"), bytes);
      RecordFile.read(SourceConfig.of(file.toString()));
    }
  },
  PARQUET("rlhf/src/test/resources/dev/troupe/rlhf/data/dialogues.parquet") {
    @Override
    void read(Path directory, byte[] bytes) throws IOException {
      Path file = Files.write(directory.resolve("records.parquet"), bytes);
      RecordFile.read(SourceConfig.of(file.toString()));
    }

    /** A page's claim of its size is believed up to what a source may hold. */
    @Override
    long fixedBytes() {
      return super.fixedBytes() + Runtime.getRuntime().maxMemory() / 4;
    }
  },
  /** An answer that a model gives, behind a line with the one that the data have. */
  MATH_ANSWER("") {
    @Override
    byte[] good() {
      return """
          \\frac{1}{2} x^2 + \\sqrt[3]{8}, x \\in [0, 1)
          So \\boxed{2 + 0.5x^{2}} or $1{,}234.50 and \\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix} = 50\\%.
          The answer is \\{1, -2\\} \\cup (3, \\infty).
          """
          .getBytes(StandardCharsets.UTF_8);
    }

    @Override
    void read(Path directory, byte[] bytes) {
      String[] parts = new String(bytes, StandardCharsets.UTF_8).split("\n", 2);
      new MathAnswer().score(parts.length < 2 ? parts[0] : parts[1], parts[0]);
    }
  },
  /** A message between nodes, which is no file, but comes from elsewhere too. */
  WIRE("") {
    @Override
    byte[] good() {
      return Messages.SERIALIZER.toBinary(
          new RoleWorker.Request(
              new RoleWorker.Generate(
                  List.of(new Prompt("p-1", "Wie geht's? \u263a", TokenIds.of(0, 1, 127, 65_535))),
                  8,
                  new SamplingSettings(64, 0.7, 50, 0.95, List.of("\n", "###"), 7)),
              Messages.SYSTEM.<RoleWorker.Reply>ignoreRef()));
    }

    @Override
    void read(Path directory, byte[] bytes) {
      try {
        Messages.SERIALIZER.fromBinary(ByteBuffer.wrap(bytes), "");
      } catch (RuntimeException e) {
        throw new DataException("no message: " + e.getClass().getSimpleName());
      }
    }
  };

  private final String good;

  HostileFile(String good) {
    this.good = good;
  }

  abstract void read(Path directory, byte[] bytes) throws IOException;

  void read(byte[] bytes) throws IOException {
    read(DIRECTORY, bytes);
  }

  /** JSON trees are larger than their text. */
  private static final long BYTES_PER_BYTE = 400;

  private static final Path DIRECTORY = temporary();

  /** For what is made once. */
  long fixedBytes() {
    return 16L << 20;
  }

  /** Reads, and holds the reader to its promise. */
  void feed(byte[] bytes) {
    long most = fixedBytes() + BYTES_PER_BYTE * bytes.length;
    long allocated = allocatedFor(bytes);
    // Loading a class, and instrumenting it under the fuzzer, counts as this thread's allocation
    // too, but once; what the file costs, it costs again.
    if (allocated >= most) {
      allocated = allocatedFor(bytes);
    }
    assertThat(allocated)
        .as("bytes allocated for " + bytes.length + " bytes of " + this)
        .isLessThan(most);
  }

  private long allocatedFor(byte[] bytes) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    try {
      read(DIRECTORY, bytes);
    } catch (CheckpointException | DataException e) {
      assertThat(e.getMessage()).isNotBlank().hasSizeLessThan(4000);
    } catch (Exception | StackOverflowError | OutOfMemoryError e) {
      fail(this + " of " + bytes.length + " bytes: " + e + "\n" + shown(bytes), e);
    }
    return threads.getCurrentThreadAllocatedBytes() - before;
  }

  private static String shown(byte[] bytes) {
    String text = new String(bytes, StandardCharsets.ISO_8859_1);
    return text.length() < 3000 ? text : text.substring(0, 3000) + "…";
  }

  byte[] good() throws IOException {
    return Files.readAllBytes(Path.of(System.getProperty("troupe.root")).resolve(good));
  }

  private static Path temporary() {
    try {
      return Files.createTempDirectory("hostile");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The serializer as nodes have it. */
  private static final class Messages {
    static final ActorSystem<Void> SYSTEM =
        ActorSystem.create(
            Behaviors.empty(),
            "wire",
            ConfigFactory.parseString("pekko.actor.provider = local, pekko.daemonic = on")
                .withFallback(ConfigFactory.parseResources("troupe-actors.conf"))
                .withFallback(ConfigFactory.load()));
    static final WireSerializer SERIALIZER =
        new WireSerializer((ExtendedActorSystem) Adapter.toClassic(SYSTEM));
  }
}
