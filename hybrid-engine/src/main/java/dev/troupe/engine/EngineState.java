package dev.troupe.engine;

import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.SafetensorsFile;
import dev.troupe.models.checkpoint.SafetensorsWriter;
import dev.troupe.models.checkpoint.TensorData;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * All that a role needs to go on bit for bit: one safetensors file of float32 vectors; counters as
 * two floats of 24 bits each, which float32 holds exactly.
 */
record EngineState(float[] parameters, Optional<AdamState.Saved> adam, long version) {
  private static final String FILE = "engine_state.safetensors";
  private static final int HALF = 1 << 24;

  static void write(
      Path directory, float[] parameters, Optional<AdamState.Saved> adam, long version) {
    Map<String, TensorData> tensors = new LinkedHashMap<>();
    put(tensors, "parameters", parameters);
    put(tensors, "version", pair(version));
    adam.ifPresent(
        saved -> {
          put(tensors, "adam.first", saved.first());
          put(tensors, "adam.second", saved.second());
          put(tensors, "adam.count", new float[] {saved.count()});
          put(tensors, "adam.steps", pair(saved.steps()));
          saved.average().ifPresent(average -> put(tensors, "ema", average));
        });
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    SafetensorsWriter.write(directory.resolve(FILE), tensors, DType.F32);
  }

  static EngineState read(Path directory) {
    try (SafetensorsFile file = SafetensorsFile.open(directory.resolve(FILE))) {
      Optional<AdamState.Saved> adam =
          file.names().contains("adam.first")
              ? Optional.of(
                  new AdamState.Saved(
                      file.floats("adam.first"),
                      file.floats("adam.second"),
                      file.floats("adam.count")[0],
                      file.names().contains("ema")
                          ? Optional.of(file.floats("ema"))
                          : Optional.empty(),
                      number(file.floats("adam.steps"))))
              : Optional.empty();
      return new EngineState(file.floats("parameters"), adam, number(file.floats("version")));
    }
  }

  private static void put(Map<String, TensorData> tensors, String name, float[] values) {
    tensors.put(name, TensorData.of(values, values.length));
  }

  private static float[] pair(long number) {
    return new float[] {(int) (number / HALF), (int) (number % HALF)};
  }

  private static long number(float[] pair) {
    return ((long) pair[0]) * HALF + ((long) pair[1]);
  }
}
