package dev.troupe.rlhf.data;

import com.fasterxml.jackson.databind.JsonNode;

/** Takes a file's rows, whatever its format. */
interface RowSink {
  /**
   * A row.
   *
   * @param origin its file and line
   * @return whether more rows are wanted
   */
  boolean row(JsonNode row, Origin origin);
}
