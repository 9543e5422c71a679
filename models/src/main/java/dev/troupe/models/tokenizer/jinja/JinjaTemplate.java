package dev.troupe.models.tokenizer.jinja;

import java.time.LocalDateTime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A template that has been read. May be rendered by several threads at once. */
public final class JinjaTemplate {
  private final List<Statement> statements;
  private final boolean generates;

  private JinjaTemplate(Parser.Parsed parsed) {
    this.statements = parsed.statements();
    this.generates = parsed.generates();
  }

  /**
   * Reads a template.
   *
   * @throws JinjaException when it is no Jinja, or has a block that is not supported
   */
  public static JinjaTemplate parse(String source) {
    return new JinjaTemplate(Parser.parse(source));
  }

  /** Whether the template marks what assistants say by {@code generation} blocks. */
  public boolean hasGenerationBlocks() {
    return generates;
  }

  /**
   * The template's text.
   *
   * @param now what {@code strftime_now} tells
   * @throws JinjaException when the template fails, refuses, or needs what is not supported
   */
  public Rendering render(Variables variables, LocalDateTime now) {
    Map<String, Value> all = new HashMap<>(Globals.at(now));
    all.putAll(variables.values());
    Output output = Output.ofTemplate();
    try {
      Statement.executeAll(statements, Frame.outermost(all, output));
    } catch (StackOverflowError e) {
      // A chain of a hundred thousand operators, or a list put into a list as often.
      throw JinjaException.of("line 1: its expressions or values are nested too deep");
    }
    return Rendering.of(output);
  }
}
