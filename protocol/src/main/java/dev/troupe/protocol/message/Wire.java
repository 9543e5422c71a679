package dev.troupe.protocol.message;

/** Marks a message that may go to another JVM; the serializer is bound to it. */
public interface Wire {}
