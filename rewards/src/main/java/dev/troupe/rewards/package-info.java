/**
 * Scorers that reach outside the algorithms: a function of the user's, a service by HTTP, programs
 * run in a sandbox, JSON by a schema. All run where the recipe runs, in the driver's JVM; each is
 * bounded in time and size, and what it could not score says so.
 */
@NullMarked
package dev.troupe.rewards;

import org.jspecify.annotations.NullMarked;
