package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The keys that all methods of virtual tokens have. */
final class PromptKeys {
  private static final Set<String> KEYS =
      Set.of(
          "num_virtual_tokens",
          "token_dim",
          "num_transformer_submodules",
          "num_attention_heads",
          "num_layers");

  private PromptKeys() {}

  /** These keys and a method's own. */
  static Set<String> with(String... own) {
    return Stream.concat(KEYS.stream(), Arrays.stream(own)).collect(Collectors.toUnmodifiableSet());
  }

  static int tokens(ObjectNode json) {
    return integer(json, "num_virtual_tokens");
  }

  static PromptMethod.Sizes sizes(ObjectNode json) {
    AdapterKeys.require(
        AdapterKeys.off(json.path("num_transformer_submodules"))
            || integer(json, "num_transformer_submodules") == 1,
        "num_transformer_submodules is "
            + json.path("num_transformer_submodules")
            + "; a decoder alone has 1");
    return new PromptMethod.Sizes(
        integer(json, "token_dim"),
        integer(json, "num_attention_heads"),
        integer(json, "num_layers"));
  }

  static int integer(ObjectNode json, String key) {
    return AdapterKeys.integer(json.path(key), key);
  }

  static void write(PromptMethod method, ObjectNode json) {
    json.put("num_attention_heads", method.sizes().heads());
    json.put("num_layers", method.sizes().layers());
    json.put("num_transformer_submodules", 1);
    json.put("num_virtual_tokens", method.tokens());
    json.put("token_dim", method.sizes().width());
  }
}
