/** Placeholder. */
package dev.troupe.models;
