/** Placeholder. */
package dev.troupe.actors;
