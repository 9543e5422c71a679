/**
 * Measurements that others can repeat: how fast this machine generates and trains, and how close
 * that is to what its memory and arithmetic allow. The same work by the peers is in bench/.
 */
@NullMarked
package dev.troupe.launcher.bench;

import org.jspecify.annotations.NullMarked;
