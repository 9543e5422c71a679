package dev.troupe.engine;

import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.SafetensorsFile;
import dev.troupe.models.checkpoint.SafetensorsWriter;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.protocol.data.Shards;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * All that a role needs to go on bit for bit, or a replica with its shard of the optimiser's state:
 * safetensors files of float32 vectors; counters as two floats of 24 bits each, which float32 holds
 * exactly. A role that holds all writes one file, and replicas that hold a shard each one each, of
 * the parameters and of the state; any number of them may read either.
 *
 * @param parameters all
 * @param adam of the shard of whoever reads
 */
record EngineState(float[] parameters, Optional<AdamState.Saved> adam, long version) {
  private static final String WHOLE = "engine_state.safetensors";
  private static final Pattern SHARD =
      Pattern.compile("engine_state-(\\d{5})-of-(\\d{5})\\.safetensors");
  private static final int HALF = 1 << 24;

  private static String file(int rank, int of) {
    return of == 1
        ? WHOLE
        : String.format(Locale.ROOT, "engine_state-%05d-of-%05d.safetensors", rank + 1, of);
  }

  /**
   * Writes one shard.
   *
   * @param parameters all
   * @param adam of the shard
   */
  static void write(
      Path directory,
      Shards shards,
      int rank,
      float[] parameters,
      Optional<AdamState.Saved> adam,
      long version) {
    Map<String, TensorData> tensors = new LinkedHashMap<>();
    put(tensors, "parameters", Arrays.copyOfRange(parameters, shards.from(rank), shards.to(rank)));
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
    SafetensorsWriter.write(directory.resolve(file(rank, shards.of())), tensors, DType.F32);
  }

  /**
   * Reads what one replica, or several, have written.
   *
   * @param role its name
   * @param shards of whoever reads
   * @param rank which it is
   * @param trained whether it has a use for the optimiser's state
   * @throws CheckpointException when a shard is missing, or it is of other parameters
   */
  static EngineState read(Path directory, String role, Shards shards, int rank, boolean trained) {
    int of = shardsIn(directory);
    float[] parameters = new float[shards.size()];
    int from = shards.from(rank);
    float[] first = new float[shards.count(rank)];
    float[] second = first.clone();
    float[] average = first.clone();
    boolean averaged = true;
    float count = 0;
    long steps = 0;
    long version = 0;
    int at = 0;
    for (int part = 0; part < of; part++) {
      Path path = directory.resolve(file(part, of));
      try (SafetensorsFile file = SafetensorsFile.open(path)) {
        float[] own = file.floats("parameters");
        if (at + own.length <= parameters.length) {
          System.arraycopy(own, 0, parameters, at, own.length);
          if (trained) {
            if (!file.names().contains("adam.first")) {
              throw new CheckpointException(
                  path + " holds no optimiser state of the " + role + ", which is trained.");
            }
            overlap(file.floats("adam.first"), at, first, from);
            overlap(file.floats("adam.second"), at, second, from);
            if (file.names().contains("ema")) {
              overlap(file.floats("ema"), at, average, from);
            } else {
              averaged = false;
            }
            count = file.floats("adam.count")[0];
            steps = number(file.floats("adam.steps"));
          }
        }
        at += own.length;
        long its = number(file.floats("version"));
        if (part > 0 && its != version) {
          throw new CheckpointException(
              path
                  + " is of the weights' version "
                  + its
                  + ", and the shards before it of version "
                  + version
                  + ": they are of different checkpoints.");
        }
        version = its;
      }
    }
    if (at != parameters.length) {
      throw new CheckpointException(
          directory
              + " holds "
              + at
              + " parameters of the "
              + role
              + ", expected "
              + parameters.length
              + ": it was made with another configuration.");
    }
    return new EngineState(
        parameters,
        trained
            ? Optional.of(
                new AdamState.Saved(
                    first,
                    second,
                    count,
                    averaged ? Optional.of(average) : Optional.empty(),
                    steps))
            : Optional.empty(),
        version);
  }

  /** How many shards there are, all of them there; 1 where it is one file. */
  private static int shardsIn(Path directory) {
    List<String> names;
    try (Stream<Path> files = Files.list(directory)) {
      names =
          files
              .map(file -> String.valueOf(file.getFileName()))
              .filter(name -> SHARD.matcher(name).matches())
              .sorted()
              .toList();
    } catch (IOException e) {
      throw new CheckpointException("cannot read " + directory + ": " + e, e);
    }
    if (names.isEmpty()) {
      return 1;
    }
    Matcher one = SHARD.matcher(names.get(0));
    int of = one.matches() ? Integer.parseInt(one.group(2)) : 0;
    for (int part = 0; part < of; part++) {
      if (!names.contains(file(part, of))) {
        throw new CheckpointException(
            String.format(
                Locale.ROOT,
                "%s was written by %d replicas (cluster.sharding), and shard %d of them, %s, is missing; there are %s. Put it back, or resume from an earlier checkpoint",
                directory,
                of,
                part + 1,
                file(part, of),
                String.join(", ", names)));
      }
    }
    if (names.size() > of) {
      throw new CheckpointException(
          directory
              + " has shards of different numbers of replicas: "
              + String.join(", ", names)
              + ". Keep those of one checkpoint");
    }
    return of;
  }

  /** Copies what two parts of the buffer, given with the place of their first, have in common. */
  private static void overlap(float[] source, int at, float[] target, int from) {
    int start = Math.max(at, from);
    int end = Math.min(at + source.length, from + target.length);
    if (start < end) {
      System.arraycopy(source, start - at, target, start - from, end - start);
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
