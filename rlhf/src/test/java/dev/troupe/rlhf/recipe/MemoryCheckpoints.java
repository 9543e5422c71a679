package dev.troupe.rlhf.recipe;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.rlhf.port.Checkpoints;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** Checkpoints whose states go through JSON, as on disk. Due only when a run is cancelled. */
final class MemoryCheckpoints implements Checkpoints {
  private final ObjectMapper json = new ObjectMapper();
  private final Map<String, Saved<String>> committed = new HashMap<>();
  private String begun = "";

  @Override
  public boolean due(String stage, long step, boolean stopping) {
    return stopping;
  }

  @Override
  public String begin(String stage, long step) {
    begun = stage + "/" + step;
    return begun;
  }

  @Override
  public void commit(String stage, long step, Record state) {
    try {
      committed.put(stage, new Saved<>(begun, json.writeValueAsString(state)));
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public <S extends Record> Optional<Saved<S>> latest(String stage, Class<S> type) {
    return Optional.ofNullable(committed.get(stage))
        .map(saved -> new Saved<>(saved.directory(), read(saved.state(), type)));
  }

  private <S> S read(String text, Class<S> type) {
    try {
      return json.readValue(text, type);
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }
}
