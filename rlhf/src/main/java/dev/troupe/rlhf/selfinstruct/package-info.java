/**
 * Self-instruct (Wang et al. 2023): from a few tasks that people wrote a model writes more, in
 * rounds, and only what is new and well formed is kept. Text in, text out; who writes is behind
 * {@link dev.troupe.rlhf.selfinstruct.TaskWriter}.
 */
@NullMarked
package dev.troupe.rlhf.selfinstruct;

import org.jspecify.annotations.NullMarked;
