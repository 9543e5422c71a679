/** What a machine can run out of, told from defects and said so that a person can mend it. */
@NullMarked
package dev.troupe.actors.shortage;

import org.jspecify.annotations.NullMarked;
