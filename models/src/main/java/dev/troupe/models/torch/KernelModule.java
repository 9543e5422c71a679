package dev.troupe.models.torch;

import ai.djl.engine.EngineException;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.pytorch.jni.KernelCall;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Kernels: the methods of one readable TorchScript resource. May be called from many lanes at once.
 *
 * <p>A resource holds plain functions, {@code def name(self, x, y: int): …}; sizes come as
 * attributes ({@code self.layers}). Variants of one source differ by placeholders ({@code $NAME}).
 */
public final class KernelModule implements AutoCloseable {
  private static final Pattern ARCHIVE_LINE =
      Pattern.compile("File \"code/__torch__\\.py\", line (\\d+)");

  private final String name;
  private final PtSymbolBlock block;
  private final int headerLines;

  private KernelModule(String name, PtSymbolBlock block, int headerLines) {
    this.name = name;
    this.block = block;
    this.headerLines = headerLines;
  }

  /**
   * Compiles a resource.
   *
   * @param owner the class beside whose class path the resource lies
   * @param resource for example {@code /kernels/decoder.py}
   * @param attributes Long, Double, Boolean, long[] or double[] by name
   * @param placeholders text to put for {@code $NAME}
   */
  public static KernelModule load(
      Class<?> owner,
      String resource,
      Map<String, Object> attributes,
      Map<String, String> placeholders) {
    return load(owner, List.of(resource), attributes, placeholders);
  }

  /**
   * Compiles several resources as one: a function of a later one takes the place of an earlier one
   * of its name.
   *
   * @param owner the class beside whose class path the resources lie
   */
  public static KernelModule load(
      Class<?> owner,
      List<String> resources,
      Map<String, Object> attributes,
      Map<String, String> placeholders) {
    return compile(resources.get(0), source(owner, resources, placeholders), attributes);
  }

  /** The text that {@link #load(Class, List, Map, Map)} compiles. */
  public static String source(
      Class<?> owner, List<String> resources, Map<String, String> placeholders) {
    return filled(
        KernelText.joined(resources.stream().map(each -> read(owner, each)).toList()),
        placeholders);
  }

  private static String filled(String text, Map<String, String> placeholders) {
    String filled = text;
    for (Map.Entry<String, String> entry : placeholders.entrySet()) {
      filled = filled.replace("$" + entry.getKey(), entry.getValue());
    }
    return filled;
  }

  /** Compiles text; {@code name} stands in error messages. */
  public static KernelModule compile(String name, String text, Map<String, Object> attributes) {
    Torch.start();
    byte[] archive = KernelArchive.of(text, attributes);
    try {
      PtSymbolBlock block =
          JniUtils.loadModule(
              (PtNDManager) Torch.root(), new ByteArrayInputStream(archive), false, false);
      return new KernelModule(name, block, KernelArchive.headerLines(attributes));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (EngineException e) {
      throw new KernelException(
          name
              + " does not compile: "
              + inResource(e.getMessage(), name, KernelArchive.headerLines(attributes)),
          e);
    }
  }

  private static String read(Class<?> owner, String resource) {
    try (InputStream stream = owner.getResourceAsStream(resource)) {
      if (stream == null) {
        throw new IllegalArgumentException("no kernel resource " + resource);
      }
      return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Calls a method under InferenceMode: the result must not enter a differentiable call. */
  public Handle infer(String method, Handle... arguments) {
    return call(method, false, arguments);
  }

  /**
   * Calls a method with autograd in sight; the lane's grad mode decides whether a graph is kept.
   */
  public Handle train(String method, Handle... arguments) {
    return call(method, true, arguments);
  }

  private Handle call(String method, boolean train, Handle... arguments) {
    IValue[] values = new IValue[arguments.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = arguments[i].value();
    }
    try {
      return new Handle(
          Torch.kernel(() -> KernelCall.run(block.getHandle(), method, train, values)));
    } catch (EngineException e) {
      throw new KernelException(
          name + ", " + method + ": " + inResource(e.getMessage(), name, headerLines), e);
    }
  }

  /** Torch's message with the lines of the resource in place of those of the archive. */
  private static String inResource(@Nullable String message, String name, int headerLines) {
    return ARCHIVE_LINE
        .matcher(message == null ? "" : message)
        .replaceAll(
            found ->
                Matcher.quoteReplacement(
                    name + ", line " + (Integer.parseInt(found.group(1)) - headerLines)));
  }

  @Override
  public void close() {
    block.close();
  }
}
