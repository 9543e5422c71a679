/**
 * Tests across modules: the architecture's rules, whole runs, clusters of several JVMs, faults, the
 * documents.
 */
@NullMarked
package dev.troupe.tests;

import org.jspecify.annotations.NullMarked;
