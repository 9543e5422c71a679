package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Sequence;

/** Two replies to one prompt, the better one first; the reads are the replies' tokens. */
public record Preference(Sequence chosen, Sequence rejected) {}
