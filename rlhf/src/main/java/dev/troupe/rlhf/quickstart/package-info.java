/**
 * A small world to try the pipeline in: prompts and replies of a shop, made from a grammar and a
 * seed; preferences that follow a hidden rule (friendly before unfriendly); and an oracle that
 * knows the rule and the grammar and that training never sees.
 */
@NullMarked
package dev.troupe.rlhf.quickstart;

import org.jspecify.annotations.NullMarked;
