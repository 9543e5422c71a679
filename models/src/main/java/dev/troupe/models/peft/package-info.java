/**
 * LoRA adapters as files in PEFT's layout ({@code adapter_config.json}, {@code
 * adapter_model.safetensors}), read and written so that PEFT and what builds on it load them. Knows
 * names, shapes and numbers, and no training. What is wrong with the files is a {@link
 * dev.troupe.models.checkpoint.CheckpointException}.
 */
@NullMarked
package dev.troupe.models.peft;

import org.jspecify.annotations.NullMarked;
