/**
 * Kryo for what lives one hop between nodes of one version: every class is registered under a
 * number, and registration is required. What outlives a process is Protobuf instead ({@code
 * dev.troupe.protocol.event}).
 */
@NullMarked
package dev.troupe.protocol.kryo;

import org.jspecify.annotations.NullMarked;
