package dev.troupe.engine;

/** Log-probabilities as sampling computes them, bit for bit, of the parameters as they are. */
interface ExactLogprobs {
  /** At the reads of all rows, in their order. To be called on a lane. */
  float[] of(TokenBatch batch);
}
