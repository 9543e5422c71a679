package dev.troupe.actors.pipeline;

import java.nio.file.Path;
import java.util.Map;

/**
 * How a run ended.
 *
 * @param outcome completed or cancelled
 * @param results each stage's result record, by stage name, in order
 * @param summaryJson what summary.json holds
 */
public record RunResult(
    String outcome, Path directory, Map<String, Record> results, String summaryJson) {}
