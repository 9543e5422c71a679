/**
 * From HOCON files to validated records, all problems reported at once. {@link
 * dev.troupe.configuration.ConfigurationLoader} reads and merges; {@link
 * dev.troupe.configuration.RecordBinder} turns the merged tree into records.
 */
@NullMarked
package dev.troupe.configuration;

import org.jspecify.annotations.NullMarked;
