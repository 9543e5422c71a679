package dev.troupe.rlhf.recipe;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/**
 * Follows every sample: issued, rolled out, scored, then trained or dropped, each once and in that
 * order. Between steps no sample is open, so the books of a step boundary are three numbers.
 */
final class Ledger {
  /** How far an open sample has come. */
  private enum Progress {
    ISSUED,
    ROLLED_OUT,
    SCORED
  }

  private final Map<String, Progress> open = new LinkedHashMap<>();
  private final TreeMap<String, Long> dropped;
  private long issued;
  private long trained;

  /** Goes on from an earlier account. */
  Ledger(Account account) {
    issued = account.issued();
    trained = account.trained();
    dropped = new TreeMap<>(account.dropped());
  }

  void issued(String sample) {
    if (open.put(sample, Progress.ISSUED) != null) {
      throw new LedgerException("sample " + sample + " was issued twice");
    }
    issued++;
  }

  void rolledOut(String sample) {
    advance(sample, Progress.ISSUED, Progress.ROLLED_OUT);
  }

  void scored(String sample) {
    advance(sample, Progress.ROLLED_OUT, Progress.SCORED);
  }

  /** Ends a sample that was learned from. */
  void trained(String sample) {
    close(sample, "trained");
    trained++;
  }

  /** Ends a sample that was not. */
  void dropped(String sample, String reason) {
    close(sample, "dropped (" + reason + ")");
    dropped.merge(reason, 1L, Long::sum);
  }

  /** Data that never became a sample. */
  void droppedBefore(Map<String, Long> reasons) {
    reasons.forEach(
        (reason, count) -> {
          issued += count;
          dropped.merge(reason, count, Long::sum);
        });
  }

  /** The books; an error when a sample is still open or the sums differ. */
  Account account() {
    if (!open.isEmpty()) {
      throw new LedgerException(
          open.size()
              + " samples were neither trained nor dropped, the first is "
              + open.entrySet().iterator().next());
    }
    Account account = new Account(issued, trained, dropped);
    if (issued != trained + account.droppedTotal()) {
      throw new LedgerException(
          "the books do not balance: issued "
              + issued
              + ", trained "
              + trained
              + ", dropped "
              + dropped);
    }
    return account;
  }

  private void advance(String sample, Progress from, Progress to) {
    Progress now = open.put(sample, to);
    if (now != from) {
      throw new LedgerException(
          "sample " + sample + " was to become " + to + " from " + from + ", it was " + now);
    }
  }

  private void close(String sample, String how) {
    if (open.remove(sample) == null) {
      throw new LedgerException("sample " + sample + " was " + how + " and is not open");
    }
  }
}
