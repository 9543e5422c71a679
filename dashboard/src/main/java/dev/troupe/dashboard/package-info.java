/** Placeholder. */
package dev.troupe.dashboard;
