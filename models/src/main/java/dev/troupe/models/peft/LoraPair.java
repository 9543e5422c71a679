package dev.troupe.models.peft;

/**
 * A linear layer with its LoRA pair.
 *
 * @param rank inner width, at least 1
 * @param scale what B A is multiplied by
 */
public record LoraPair(LinearModule module, int rank, double scale) {}
