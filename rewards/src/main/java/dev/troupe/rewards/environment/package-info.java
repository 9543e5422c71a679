/**
 * Environments that other programs serve: OpenEnv by WebSocket, NeMo-Gym by HTTP; and the check of
 * calls against the tools' schemas. They run where the recipe runs; each request is bounded in time
 * and size, and nothing a server sends is taken for what it is not.
 */
@NullMarked
package dev.troupe.rewards.environment;

import org.jspecify.annotations.NullMarked;
