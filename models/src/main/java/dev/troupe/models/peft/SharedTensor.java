package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.Shape;
import java.util.function.Supplier;

/**
 * A tensor that all linear layers of a method have in common and none of them trains.
 *
 * @param name in the adapter
 * @param values where the adapter's file does not bring them, row by row
 */
public record SharedTensor(String name, Shape shape, Supplier<float[]> values) {}
