package dev.troupe.rlhf.port;

import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/**
 * Where a stage's progress is kept, so that a later run goes on from it. A recipe asks at each step
 * boundary whether a checkpoint is {@linkplain #due due}, has its roles write into the directory of
 * {@link #begin}, and {@linkplain #commit commits} with a state record; what was begun and not
 * committed does not exist for {@link #latest}.
 */
public interface Checkpoints {
  /**
   * A committed checkpoint.
   *
   * @param directory that the roles wrote into
   */
  record Saved<S>(String directory, S state) {}

  /** Keeps nothing. */
  Checkpoints NONE =
      new Checkpoints() {
        @Override
        public boolean due(String stage, long step, boolean stopping) {
          return false;
        }

        @Override
        public String begin(String stage, long step) {
          throw new IllegalStateException("no checkpoint is due in stage " + stage);
        }

        @Override
        public void commit(String stage, long step, Record state, Set<Long> needed) {
          throw new IllegalStateException("no checkpoint was begun in stage " + stage);
        }

        @Override
        public <S extends Record> Optional<Saved<S>> latest(String stage, Class<S> type) {
          return Optional.empty();
        }

        @Override
        public OptionalLong newestBefore(String stage, long step) {
          return OptionalLong.empty();
        }

        @Override
        public String directory(String stage, long step) {
          throw new IllegalStateException("no checkpoint was committed in stage " + stage);
        }

        @Override
        public void discard(String stage, long from) {}
      };

  /**
   * Whether to write one after this step, 1-based.
   *
   * @param stopping the run was cancelled and ends here
   */
  boolean due(String stage, long step, boolean stopping);

  /** A fresh directory; a role named policy writes into its subdirectory policy, and so on. */
  String begin(String stage, long step);

  /**
   * Publishes the directory of the last {@link #begin} with this state, a record of plain values
   * that JSON can hold.
   *
   * @param needed steps whose checkpoints this one refers to: they are kept as long as it is
   */
  void commit(String stage, long step, Record state, Set<Long> needed);

  /** The newest committed checkpoint to go on from, if there is one. */
  <S extends Record> Optional<Saved<S>> latest(String stage, Class<S> type);

  /** Step of the newest committed checkpoint. */
  default OptionalLong newest(String stage) {
    return newestBefore(stage, Long.MAX_VALUE);
  }

  /** The same, of a step before {@code step}. */
  OptionalLong newestBefore(String stage, long step);

  /** What the roles wrote for the checkpoint of {@code step}; one that is not there is an error. */
  String directory(String stage, long step);

  /** Removes the checkpoints of the step {@code from} and of later ones. */
  void discard(String stage, long from);
}
