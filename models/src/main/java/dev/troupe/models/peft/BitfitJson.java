package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Set;

/** BitFit has no keys. */
final class BitfitJson implements MethodJson<Bitfit> {
  @Override
  public Class<Bitfit> method() {
    return Bitfit.class;
  }

  @Override
  public Set<String> keys() {
    return Set.of();
  }

  @Override
  public Bitfit read(ObjectNode json) {
    return new Bitfit();
  }

  @Override
  public void write(Bitfit method, ObjectNode json) {}
}
