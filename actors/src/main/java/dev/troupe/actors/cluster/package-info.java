/**
 * Several JVMs as one: starting and joining a node, finding the nodes that a placement needs, and
 * recording who is there.
 */
@NullMarked
package dev.troupe.actors.cluster;

import org.jspecify.annotations.NullMarked;
