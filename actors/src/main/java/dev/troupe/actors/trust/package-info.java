/**
 * Who belongs to a run: its certificate authority, a node's credentials, and the TLS engines that
 * let nobody else in.
 */
@NullMarked
package dev.troupe.actors.trust;

import org.jspecify.annotations.NullMarked;
