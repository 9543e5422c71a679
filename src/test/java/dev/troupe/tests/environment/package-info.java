/** The machine around Troupe: its locale, its memory, what others send it. Each in a JVM apart. */
@NullMarked
package dev.troupe.tests.environment;

import org.jspecify.annotations.NullMarked;
