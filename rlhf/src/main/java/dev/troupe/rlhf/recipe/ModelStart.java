package dev.troupe.rlhf.recipe;

import java.util.Optional;

/**
 * What a role starts from.
 *
 * @param model directory of the base checkpoint
 * @param adapter directory of an earlier stage's adapter, with its head if it has one
 */
public record ModelStart(String model, Optional<String> adapter) {}
