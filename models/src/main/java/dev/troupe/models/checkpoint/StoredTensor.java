package dev.troupe.models.checkpoint;

/**
 * What the header of a safetensors file says of a tensor.
 *
 * @param type as the format names it, such as F32 or U8
 */
public record StoredTensor(String type, Shape shape, long bytes) {}
