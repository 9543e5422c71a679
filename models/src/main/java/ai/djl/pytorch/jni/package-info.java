/**
 * One class inside DJL's own package: what DJL keeps package-private and kernels need. Everything
 * else of Troupe lives under dev.troupe.
 */
@NullMarked
package ai.djl.pytorch.jni;

import org.jspecify.annotations.NullMarked;
