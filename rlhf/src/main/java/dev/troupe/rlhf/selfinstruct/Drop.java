package dev.troupe.rlhf.selfinstruct;

/** Why something that was written is not kept. */
public enum Drop {
  TOO_SHORT("an instruction of fewer than four words"),
  TOO_LONG("an instruction of more than 150 words"),
  KEYWORD("an instruction about what a language model cannot see or make, such as images"),
  PROGRAM("an instruction that begins with 'Write a program'"),
  PUNCTUATION("an instruction that begins with punctuation"),
  NOT_ENGLISH("an instruction that begins with a character beyond ASCII"),
  SIMILAR("an instruction too much like one that is there"),
  CUT("an instruction or example that was cut off for its length"),
  UNDECIDED("an instruction that the model called neither classification nor not"),
  NO_OUTPUT("an example without an output"),
  OUTPUT_IS_INPUT("an example whose output is its input"),
  BROKEN_OFF("an example that ends in a colon"),
  REPEATED_INSTANCE("an example that is there already"),
  CONTRADICTION("an example whose input has another output as well"),
  NO_INSTANCE("an instruction none of whose examples was kept");

  private final String meaning;

  Drop(String meaning) {
    this.meaning = meaning;
  }

  /** To be read by a person. */
  public String meaning() {
    return meaning;
  }
}
