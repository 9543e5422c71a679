package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Experience;
import java.util.List;

/**
 * What is learned from one answer, or from two.
 *
 * @param samples that it was made of
 * @param experiences the same, for a person to look at
 */
record GroupLesson<E extends Example>(
    List<String> samples, E example, List<Experience> experiences) {}
