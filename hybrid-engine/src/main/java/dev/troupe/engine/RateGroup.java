package dev.troupe.engine;

import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.protocol.data.StepSettings;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;

/**
 * Parts of the flat buffer that step at one multiple of the learning rate.
 *
 * @param spans each a start and a size, in order
 * @param factor of the rate
 */
record RateGroup(List<long[]> spans, double factor) {
  /** Those parts, and the others at the rate itself; parts of the factor 0 stay as they are. */
  static List<RateGroup> of(List<RateGroup> apart, long size) {
    List<long[]> taken =
        apart.stream()
            .flatMap(group -> group.spans().stream())
            .sorted(Comparator.comparingLong(span -> span[0]))
            .toList();
    List<long[]> others = new ArrayList<>();
    long at = 0;
    for (long[] span : taken) {
      if (span[0] > at) {
        others.add(new long[] {at, span[0] - at});
      }
      at = span[0] + span[1];
    }
    if (at < size) {
      others.add(new long[] {at, size - at});
    }
    List<RateGroup> groups = new ArrayList<>();
    if (!others.isEmpty()) {
      groups.add(new RateGroup(others, 1));
    }
    apart.stream().filter(group -> group.factor() != 0).forEach(groups::add);
    return groups;
  }

  /** What of it lies between two places of the buffer, as places of that part. */
  RateGroup within(long from, long to) {
    return new RateGroup(
        spans.stream()
            .map(span -> new long[] {Math.max(from, span[0]), Math.min(to, span[0] + span[1])})
            .filter(span -> span[0] < span[1])
            .map(span -> new long[] {span[0] - from, span[1] - span[0]})
            .toList(),
        factor);
  }

  /** On a lane: with views of the buffer and its moments, which are written in place. */
  Open open(KernelModule kernels, Handle parameters, Handle first, Handle second, Handle count) {
    Handle starts = Handle.ofList(spans.stream().mapToLong(span -> span[0]).toArray());
    Handle sizes = Handle.ofList(spans.stream().mapToLong(span -> span[1]).toArray());
    return new Open(
        factor,
        starts,
        sizes,
        kernels.train("spans", parameters, starts, sizes),
        kernels.train("spans", first, starts, sizes),
        kernels.train("spans", second, starts, sizes),
        Handle.ofTensors(Collections.nCopies(spans.size(), count)));
  }

  /** A group's views. */
  record Open(
      double factor,
      Handle starts,
      Handle sizes,
      Handle parameters,
      Handle first,
      Handle second,
      Handle counts)
      implements AutoCloseable {
    /** On a lane. */
    void step(KernelModule kernels, Handle gradient, StepSettings asked) {
      try (Handle g = kernels.train("spans", gradient, starts, sizes);
          Handle lr = Handle.of(factor * asked.learningRate());
          Handle beta1 = Handle.of(asked.beta1());
          Handle beta2 = Handle.of(asked.beta2());
          Handle epsilon = Handle.of(asked.epsilon());
          Handle decay = Handle.of(asked.weightDecay())) {
        kernels
            .train(
                "adamw_spans",
                parameters,
                g,
                first,
                second,
                counts,
                lr,
                beta1,
                beta2,
                epsilon,
                decay)
            .close();
      }
    }

    @Override
    public void close() {
      List.of(starts, sizes, parameters, first, second, counts).forEach(Handle::close);
    }
  }
}
