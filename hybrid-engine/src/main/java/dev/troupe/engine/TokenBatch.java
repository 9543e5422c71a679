package dev.troupe.engine;

import dev.troupe.models.torch.Handle;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Sequences as the kernels take them: in sections, in each of which they are padded on the right to
 * one length T.
 *
 * @param ids a list of (B, T) int64, -1 behind a row's end, where causal attention never looks
 * @param reads (M) int64 into the sections end to end, sequence by sequence
 * @param targets (M) int64, the token after each read; 0 where a row ends there
 */
record TokenBatch(Handle ids, Handle reads, Handle targets) implements AutoCloseable {
  /**
   * @param sections in which each sequence has a place, what stands before it included
   * @param virtual ids of tokens that stand before each sequence
   */
  static TokenBatch of(List<Sequence> sequences, List<Section> sections, int[] virtual) {
    // Where each sequence begins, the sections being end to end.
    int[] starts = new int[sequences.size()];
    List<Handle> ids = new ArrayList<>();
    try {
      int start = 0;
      for (Section section : sections) {
        int width = section.width();
        long[] padded = new long[section.rows().size() * width];
        Arrays.fill(padded, -1);
        for (int row = 0; row < section.rows().size(); row++) {
          TokenIds tokens = sequences.get(section.rows().get(row)).tokens();
          int first = row * width + virtual.length;
          for (int i = 0; i < virtual.length; i++) {
            padded[row * width + i] = virtual[i];
          }
          for (int i = 0; i < tokens.size(); i++) {
            padded[first + i] = tokens.get(i);
          }
          starts[section.rows().get(row)] = start + first;
        }
        start += padded.length;
        ids.add(Handle.of(padded, section.rows().size(), width));
      }
      return of(sequences, starts, Handle.ofTensors(ids));
    } finally {
      ids.forEach(Handle::close);
    }
  }

  private static TokenBatch of(List<Sequence> sequences, int[] starts, Handle ids) {
    int count = sequences.stream().mapToInt(sequence -> sequence.reads().size()).sum();
    long[] reads = new long[count];
    long[] targets = new long[count];
    int at = 0;
    for (int i = 0; i < starts.length; i++) {
      Sequence sequence = sequences.get(i);
      for (int read : sequence.reads().values()) {
        reads[at] = (long) starts[i] + read;
        targets[at] = read + 1 < sequence.tokens().size() ? sequence.tokens().get(read + 1) : 0;
        at++;
      }
    }
    return new TokenBatch(ids, Handle.of(reads, count), Handle.of(targets, count));
  }

  @Override
  public void close() {
    ids.close();
    reads.close();
    targets.close();
  }
}
