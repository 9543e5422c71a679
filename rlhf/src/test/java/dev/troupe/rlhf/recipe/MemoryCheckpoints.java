package dev.troupe.rlhf.recipe;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.datatype.jdk8.Jdk8Module;
import dev.troupe.rlhf.port.Checkpoints;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Checkpoints whose states go through JSON, as on disk. Due when a run is cancelled, or so often.
 */
final class MemoryCheckpoints implements Checkpoints {
  private final ObjectMapper json = new ObjectMapper().registerModule(new Jdk8Module());
  private final Map<String, NavigableMap<Long, String>> states = new HashMap<>();
  private final Map<String, Map<Long, Set<Long>>> references = new HashMap<>();
  private final long every;
  private final int keep;

  MemoryCheckpoints() {
    this(Long.MAX_VALUE);
  }

  MemoryCheckpoints(long every) {
    this(every, Integer.MAX_VALUE);
  }

  /** Keeps so many of the newest, and those that they refer to. */
  MemoryCheckpoints(long every, int keep) {
    this.every = every;
    this.keep = keep;
  }

  /** Steps of the committed ones. */
  Set<Long> steps(String stage) {
    return of(stage).keySet();
  }

  private NavigableMap<Long, String> of(String stage) {
    return states.computeIfAbsent(stage, unused -> new TreeMap<>());
  }

  @Override
  public boolean due(String stage, long step, boolean stopping) {
    return stopping || step % every == 0;
  }

  @Override
  public String begin(String stage, long step) {
    return directory(stage, step);
  }

  @Override
  public void commit(String stage, long step, Record state, Set<Long> needed) {
    try {
      of(stage).put(step, json.writeValueAsString(state));
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
    Map<Long, Set<Long>> needs = references.computeIfAbsent(stage, unused -> new HashMap<>());
    needs.put(step, needed);
    Set<Long> kept = of(stage).descendingKeySet().stream().limit(keep).collect(Collectors.toSet());
    Set.copyOf(kept).forEach(newest -> kept.addAll(needs.getOrDefault(newest, Set.of())));
    of(stage).keySet().retainAll(kept);
  }

  @Override
  public <S extends Record> Optional<Saved<S>> latest(String stage, Class<S> type) {
    return Optional.ofNullable(of(stage).lastEntry())
        .map(saved -> new Saved<>(directory(stage, saved.getKey()), read(saved.getValue(), type)));
  }

  @Override
  public OptionalLong newestBefore(String stage, long step) {
    Long found = of(stage).lowerKey(step);
    return found == null ? OptionalLong.empty() : OptionalLong.of(found);
  }

  @Override
  public String directory(String stage, long step) {
    return stage + "/" + step;
  }

  @Override
  public void discard(String stage, long from) {
    of(stage).tailMap(from, true).clear();
  }

  private <S> S read(String text, Class<S> type) {
    try {
      return json.readValue(text, type);
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }
}
