package dev.troupe.engine;

import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.RoleSpec;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * Opens engines on this JVM's lanes. Roles of one model directory share one frozen base, freed when
 * the last of them closes.
 */
public final class HybridEngines implements RoleEngine.Factory {
  /** A loaded base and how many roles stand on it. */
  private static final class Loaded {
    final BaseModel base;
    int users;

    Loaded(BaseModel base) {
      this.base = base;
    }
  }

  private final Map<Path, Loaded> bases = new HashMap<>();
  private final Lanes lanes;

  public HybridEngines() {
    this(Lanes.shared());
  }

  public HybridEngines(Lanes lanes) {
    this.lanes = lanes;
  }

  @Override
  public synchronized RoleEngine open(RoleSpec spec) {
    Path model = modelOf(spec);
    Path key = model.toAbsolutePath().normalize();
    Loaded loaded = bases.computeIfAbsent(key, path -> new Loaded(BaseModel.load(path)));
    loaded.users++;
    try {
      return new HybridEngine(spec, model, loaded.base, () -> release(key), lanes);
    } catch (RuntimeException e) {
      release(key);
      throw e;
    }
  }

  /** A result of full tuning is a model of its own; an adapter stands on the configured one. */
  private static Path modelOf(RoleSpec spec) {
    return spec.adapter()
        .map(Path::of)
        .filter(path -> Files.exists(path.resolve("config.json")))
        .orElseGet(() -> Path.of(spec.model()));
  }

  private synchronized void release(Path key) {
    Loaded loaded = bases.get(key);
    loaded.users--;
    if (loaded.users == 0) {
      bases.remove(key);
      loaded.base.close();
    }
  }

  @Override
  public void close() {
    // Bases close with their last role.
  }
}
