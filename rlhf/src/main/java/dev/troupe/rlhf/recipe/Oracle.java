package dev.troupe.rlhf.recipe;

/** Knows what a good reply is. Recipes measure with it and never train on it. */
public interface Oracle {
  /** Whether the reply follows the rule that the preferences were made by. */
  boolean ruleSatisfied(String prompt, String reply);

  /** Whether the reply is a sentence of the language and answers this prompt. */
  boolean wellFormed(String prompt, String reply);
}
