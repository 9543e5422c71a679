package dev.troupe.models.quantisation;

import dev.troupe.protocol.data.Storage;
import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * A matrix as a file has it in blocks, row by row as products take it: what a base that is held so
 * takes over as it is.
 *
 * @param blockSize numbers that share a scale
 * @param codes from position 0, as {@link Blocks} has them
 * @param scales of each block, as they come out
 * @param inEightBits how the file itself has the scales, where it holds them in eight bits by the
 *     numbers of {@link ScaleNumbers}
 */
public record StoredBlocks(
    Storage storage,
    int blockSize,
    ByteBuffer codes,
    float[] scales,
    Optional<HeldScales> inEightBits) {}
