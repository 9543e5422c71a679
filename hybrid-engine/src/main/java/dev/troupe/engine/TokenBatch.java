package dev.troupe.engine;

import dev.troupe.models.torch.Handle;
import dev.troupe.protocol.data.Sequence;
import java.util.Arrays;
import java.util.List;

/**
 * Sequences padded on the right to one length T, as the kernels take them.
 *
 * @param ids (B, T) int64, -1 behind a row's end, where causal attention never looks
 * @param reads (M) int64 into B * T, sequence by sequence
 * @param targets (M) int64, the token after each read; 0 where a row ends there
 */
record TokenBatch(Handle ids, Handle reads, Handle targets) implements AutoCloseable {
  static TokenBatch of(List<Sequence> sequences) {
    int width =
        sequences.stream().mapToInt(sequence -> sequence.tokens().size()).max().orElseThrow();
    int count = sequences.stream().mapToInt(sequence -> sequence.reads().size()).sum();
    long[] ids = new long[sequences.size() * width];
    Arrays.fill(ids, -1);
    long[] reads = new long[count];
    long[] targets = new long[count];
    int at = 0;
    for (int row = 0; row < sequences.size(); row++) {
      Sequence sequence = sequences.get(row);
      for (int i = 0; i < sequence.tokens().size(); i++) {
        ids[row * width + i] = sequence.tokens().get(i);
      }
      for (int read : sequence.reads().values()) {
        reads[at] = (long) row * width + read;
        targets[at] = read + 1 < sequence.tokens().size() ? sequence.tokens().get(read + 1) : 0;
        at++;
      }
    }
    return new TokenBatch(
        Handle.of(ids, sequences.size(), width),
        Handle.of(reads, count),
        Handle.of(targets, count));
  }

  @Override
  public void close() {
    ids.close();
    reads.close();
    targets.close();
  }
}
