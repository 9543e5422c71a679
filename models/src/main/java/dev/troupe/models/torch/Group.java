package dev.troupe.models.torch;

import java.nio.FloatBuffer;
import java.time.Duration;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.LongPredicate;

/**
 * Processes that exchange numbers by Gloo, which libtorch brings: this one's membership of such a
 * group. Members come about in three steps, {@link #open}, {@link #tells} and {@link #hears};
 * whoever makes the group carries what they tell. Links have TLS with certificates on both sides.
 * Calls come from one thread at a time, block, and wait no longer when the {@link Patience} given
 * to them has an end. A group that has failed once is to be closed.
 */
public final class Group implements AutoCloseable {
  private static final String KERNELS =
      """
      def lacks(self, host: str, own: str, authority: str) -> str:
        return ops.troupe.group_lacks(host, own, own, authority)

      def library(self) -> str:
        return ops.troupe.source()

      def open(self, host: str, rank: int, world: int, ms: int, own: str, authority: str) -> int:
        return ops.troupe.group_open(host, rank, world, ms, own, own, authority)

      def tells(self, group: int, ms: int) -> str:
        return ops.troupe.group_tells(group, ms)

      def hears(self, group: int, told: str) -> bool:
        return ops.troupe.group_hears(group, told)

      def is_ready(self, group: int, ms: int) -> bool:
        return ops.troupe.group_is_ready(group, ms)

      def close(self, group: int) -> bool:
        return ops.troupe.group_close(group)

      def exchange(self, group: int, numbers, send: List[int], receive: List[int]) -> int:
        return ops.troupe.group_exchange(group, numbers, send, receive)

      def add(self, group: int, numbers) -> int:
        return ops.troupe.group_add(group, numbers)

      def is_done(self, exchange: int, ms: int) -> bool:
        return ops.troupe.group_is_done(exchange, ms)

      def result(self, exchange: int):
        return ops.troupe.group_result(exchange)
      """;

  /** How long a kernel may wait: nothing else can stop it. */
  private static final long A_WHILE = 20;

  private static final class Once {
    static final KernelModule KERNEL = KernelModule.compile("group", KERNELS, Map.of());
  }

  /**
   * Who a member is, in PEM.
   *
   * @param own its private key, and its certificate
   * @param authority whose certificates the others must have
   */
  public record Identity(String own, String authority) {
    @Override
    public String toString() {
      return "an identity";
    }
  }

  /** Called while something is waited for, again and again; throws to wait no longer. */
  public interface Patience {
    void check();
  }

  private final long number;
  private boolean closed;

  private Group(long number) {
    this.number = number;
  }

  /**
   * Why there can be no groups in this JVM of such members; empty where there can.
   *
   * @param host as {@link #open} would be given it
   */
  public static String lacks(String host, Identity identity) {
    if (NativeLibrary.state() instanceof NativeLibrary.Absent absent) {
      return "Troupe's library cannot be used: " + absent.reason();
    }
    try (Handle at = Handle.of(host);
        Handle own = Handle.of(identity.own());
        Handle authority = Handle.of(identity.authority());
        Handle lacks = Once.KERNEL.infer("lacks", at, own, authority)) {
      return lacks.asString();
    }
  }

  /** The library that this JVM has: all members of a group must have the same. */
  public static String build() {
    try (Handle library = Once.KERNEL.infer("library")) {
      return library.asString();
    }
  }

  /**
   * Begins to be a member.
   *
   * @param host name or address of this machine at which the others reach it
   * @param rank from 0 on
   * @param of how many members there are, at least 2
   * @param longest that a connection, and later anything else, is waited for
   */
  public static Group open(String host, int rank, int of, Duration longest, Identity identity) {
    try (Handle at = Handle.of(host);
        Handle own = Handle.of((long) rank);
        Handle world = Handle.of((long) of);
        Handle ms = Handle.of(longest.toMillis());
        Handle key = Handle.of(identity.own());
        Handle authority = Handle.of(identity.authority());
        Handle opened = Once.KERNEL.infer("open", at, own, world, ms, key, authority)) {
      return new Group(opened.asLong());
    }
  }

  /** What all others must {@linkplain #hears hear} of this member. */
  public String tells(Patience patience) {
    try (Handle group = Handle.of(number);
        Handle ms = Handle.of(A_WHILE)) {
      while (true) {
        try (Handle told = Once.KERNEL.infer("tells", group, ms)) {
          if (!told.asString().isEmpty()) {
            return told.asString();
          }
        }
        patience.check();
      }
    }
  }

  /** What the others tell, one after another; then it is a member. */
  public void hears(Iterable<String> told, Patience patience) {
    try (Handle group = Handle.of(number)) {
      for (String one : told) {
        try (Handle text = Handle.of(one)) {
          Once.KERNEL.infer("hears", group, text).close();
        }
      }
      await(ms -> asked("is_ready", group, ms), patience);
    }
  }

  /**
   * Sends each member some numbers, and receives some from each. All members call it alike.
   *
   * @param numbers is given the memory of those to send, by the members' ranks, and fills it
   * @param send how many to each
   * @param receive how many from each
   * @return those received, by the members' ranks
   */
  public float[] exchange(
      Consumer<FloatBuffer> numbers, long[] send, long[] receive, Patience patience) {
    try (Handle group = Handle.of(number);
        Handle from = Handle.filled(numbers, sum(send));
        Handle to = Handle.ofList(send);
        Handle by = Handle.ofList(receive);
        Handle exchange = Once.KERNEL.infer("exchange", group, from, to, by)) {
      return result(exchange, patience);
    }
  }

  /**
   * What all members' numbers add up to, in an order of Gloo's own, which is the same for all. All
   * members call it alike.
   */
  public float[] add(Consumer<FloatBuffer> numbers, int size, Patience patience) {
    try (Handle group = Handle.of(number);
        Handle own = Handle.filled(numbers, size);
        Handle exchange = Once.KERNEL.infer("add", group, own)) {
      return result(exchange, patience);
    }
  }

  private static float[] result(Handle exchange, Patience patience) {
    await(ms -> asked("is_done", exchange, ms), patience);
    try (Handle result = Once.KERNEL.infer("result", exchange)) {
      return result.floats();
    }
  }

  private static long sum(long[] counts) {
    return java.util.Arrays.stream(counts).sum();
  }

  private static void await(LongPredicate within, Patience patience) {
    while (!within.test(A_WHILE)) {
      patience.check();
    }
  }

  private static boolean asked(String method, Handle of, long milliseconds) {
    try (Handle ms = Handle.of(milliseconds);
        Handle answer = Once.KERNEL.infer(method, of, ms)) {
      return answer.asBoolean();
    }
  }

  /** What torch says that is of use to people: the last line that says anything, without places. */
  public static String reason(KernelException e) {
    return String.valueOf(e.getMessage())
        .lines()
        .map(String::strip)
        .filter(line -> !line.isEmpty())
        .reduce((first, last) -> last)
        .orElse("for no reason given")
        .replaceAll("^RuntimeError: ", "")
        .replaceAll("^\\[[^\\]]*/gloo/[^\\]]*\\] ", "");
  }

  /** The others notice, if they wait for this member. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      try (Handle group = Handle.of(number)) {
        Once.KERNEL.infer("close", group).close();
      }
    }
  }
}
