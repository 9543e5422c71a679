/**
 * Checkpoints whose weights are there in four or eight bits: those of bitsandbytes (NF4, FP4,
 * LLM.int8), GPTQ and AWQ, made numbers again tensor by tensor.
 */
package dev.troupe.models.checkpoint.quantised;
