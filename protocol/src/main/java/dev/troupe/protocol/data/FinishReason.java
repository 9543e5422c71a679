package dev.troupe.protocol.data;

/** Why a response ended. */
public enum FinishReason {
  /** An end-of-sequence token, which is the last token of the response. */
  EOS,
  /** A stop token or stop string other than the end of sequence. */
  STOP,
  /** The limit on new tokens or the context. */
  LENGTH
}
