package dev.troupe.models.peft;

import java.util.List;

/** A choice of linear layers by name, as PEFT's {@code target_modules} states one. */
public sealed interface Modules {
  /** Those that have one of these names, or end with one after a dot; sorted. */
  record Names(List<String> names) implements Modules {
    public Names {
      names = names.stream().distinct().sorted().toList();
    }
  }

  /** Those whose whole name the regular expression matches. */
  record Pattern(String regex) implements Modules {
    public Pattern {
      NamePattern.of(regex);
    }
  }

  /** All of the decoder's layers; not the output matrix. */
  record AllLinear() implements Modules {}

  /** For people. */
  default String describe() {
    if (this instanceof Names list) {
      return list.names().toString();
    }
    return this instanceof Pattern pattern ? "regex:" + pattern.regex() : "all-linear";
  }

  /** Whether it has the layer of this name. */
  default boolean contains(String module) {
    if (this instanceof Names list) {
      return list.names().stream().anyMatch(name -> named(module, name));
    }
    return !(this instanceof Pattern pattern) || NamePattern.of(pattern.regex()).matches(module);
  }

  /** Whether a layer has this name, or ends with it after a dot. */
  static boolean named(String module, String name) {
    return module.equals(name) || module.endsWith("." + name);
  }
}
