/**
 * Roles as actors: the worker that owns an engine, the node that brings workers to life, and the
 * ports of rlhf over messages to them.
 */
@NullMarked
package dev.troupe.actors.role;

import org.jspecify.annotations.NullMarked;
