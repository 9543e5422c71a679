package dev.troupe.models.decoder;

import dev.troupe.models.torch.NativeLibrary;
import java.util.List;

/** Whose operators compute in float32 here, to be held to one golden file each. */
final class Float32Products {
  private Float32Products() {}

  /** To be called on a lane. */
  static List<Products> all() {
    return NativeLibrary.state() instanceof NativeLibrary.Loaded
        ? List.of(Products.TORCH, Products.FUSED)
        : List.of(Products.TORCH);
  }
}
