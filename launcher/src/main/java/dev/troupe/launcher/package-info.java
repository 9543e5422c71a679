/** Placeholder. */
package dev.troupe.launcher;
