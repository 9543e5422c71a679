/**
 * From HOCON files to validated records, all problems reported at once. {@link
 * dev.troupe.launcher.config.ConfigurationLoader} reads and merges; {@link
 * dev.troupe.launcher.config.RecordBinder} turns the merged tree into records.
 */
@NullMarked
package dev.troupe.launcher.config;

import org.jspecify.annotations.NullMarked;
