package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/** Prompt tuning's keys, as PEFT 0.21 writes and reads them. */
final class PromptTuningJson implements MethodJson<PromptTuning> {
  @Override
  public Class<PromptTuning> method() {
    return PromptTuning.class;
  }

  @Override
  public Set<String> keys() {
    return PromptKeys.with(
        "prompt_tuning_init",
        "prompt_tuning_init_text",
        // Of the start: a finished prompt has no text.
        "tokenizer_name_or_path",
        "tokenizer_kwargs");
  }

  @Override
  public PromptTuning read(ObjectNode json) {
    String start = json.path("prompt_tuning_init").asText("RANDOM");
    AdapterKeys.require(
        Arrays.stream(PromptTuning.Start.values()).anyMatch(each -> each.name().equals(start)),
        "prompt_tuning_init '" + start + "' is not known; expected RANDOM, SAMPLE_VOCAB or TEXT");
    return new PromptTuning(
        PromptKeys.tokens(json),
        PromptKeys.sizes(json),
        PromptTuning.Start.valueOf(start),
        json.path("prompt_tuning_init_text").asText(""),
        List.of());
  }

  /** PEFT wants a tokenizer's name beside a text, and opens none for a finished prompt. */
  @Override
  public void write(PromptTuning method, ObjectNode json) {
    PromptKeys.write(method, json);
    json.put("prompt_tuning_init", method.beginning().name());
    if (method.beginning() == PromptTuning.Start.TEXT) {
      json.put("prompt_tuning_init_text", method.text());
      json.put("tokenizer_name_or_path", "the base's own");
    } else {
      json.putNull("prompt_tuning_init_text");
      json.putNull("tokenizer_name_or_path");
    }
    json.putNull("tokenizer_kwargs");
  }
}
