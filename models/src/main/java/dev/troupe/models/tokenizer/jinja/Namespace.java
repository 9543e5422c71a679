package dev.troupe.models.tokenizer.jinja;

/** What {@code namespace()} gives: the one thing whose attributes a template may set. */
record Namespace(Dict attributes) implements Value {}
