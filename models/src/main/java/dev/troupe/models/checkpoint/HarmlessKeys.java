package dev.troupe.models.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * Keys of a {@code config.json} that are known not to change what {@code transformers} 5.24
 * computes of a text, and are not read here. What is neither read nor in this table is refused by
 * name.
 */
final class HarmlessKeys {
  /** Of every file: names, versions, how numbers are stored, how a program is to call the model. */
  private static final Set<String> OF_EVERY_FILE =
      Set.of(
          "_name_or_path",
          "name_or_path",
          "_commit_hash",
          "_attn_implementation",
          "_attn_implementation_autoset",
          "_attn_implementation_internal",
          "_experts_implementation_internal",
          "_experts_implementation",
          "_output_attentions",
          "attn_implementation",
          "experts_implementation",
          "architectures",
          "auto_map",
          "transformers_version",
          "transformers.js_config",
          "transformers_js_config",
          "unsloth_fixed",
          "unsloth_version",
          "torch_dtype",
          "dtype",
          "torchscript",
          "use_bfloat16",
          "use_cache",
          "cache_implementation",
          "use_return_dict",
          "return_dict",
          "output_attentions",
          "output_hidden_states",
          "output_scores",
          "return_dict_in_generate",
          "tie_last_hidden_states",
          "tie_encoder_decoder",
          "cross_attention_hidden_size",
          "is_decoder",
          "chunk_size_feed_forward",
          "pruned_heads",
          "gradient_checkpointing",
          "tf_legacy_loss",
          "tokenizer_class",
          "processor_class",
          // Of training.
          "initializer_range",
          "attention_dropout",
          "hidden_dropout",
          "resid_pdrop",
          "embd_pdrop",
          "attn_pdrop",
          "classifier_dropout",
          "pretraining_tp",
          // Of classifiers that stand on the same network.
          "finetuning_task",
          "id2label",
          "label2id",
          "num_labels",
          "problem_type",
          "task_specific_params",
          // Of generation, which transformers reads from generation_config.json.
          "prefix",
          "sep_token_id",
          "unk_token_id",
          "decoder_start_token_id",
          "max_length",
          "min_length",
          "max_new_tokens",
          "do_sample",
          "early_stopping",
          "num_beams",
          "num_beam_groups",
          "diversity_penalty",
          "temperature",
          "top_k",
          "top_p",
          "typical_p",
          "repetition_penalty",
          "length_penalty",
          "no_repeat_ngram_size",
          "encoder_no_repeat_ngram_size",
          "bad_words_ids",
          "num_return_sequences",
          "forced_bos_token_id",
          "forced_eos_token_id",
          "remove_invalid_values",
          "exponential_decay_length_penalty",
          "suppress_tokens",
          "begin_suppress_tokens");

  /**
   * Known not to matter where they are false or empty. What transformers does it does either way: a
   * Mistral has its windows and a Qwen3 its norms of queries and keys by other keys or always.
   */
  private static final Set<String> WHERE_OFF =
      Set.of(
          "use_sliding_window",
          "use_bidirectional_attention",
          "use_qk_norm",
          "qk_norm",
          "qk_layernorm",
          "qkv_bias",
          "per_layer_config");

  private static final Set<String> LLAMA =
      Set.of(
          "original_max_position_embeddings",
          "max_sequence_length",
          "is_llama_config",
          "use_sliding_window");

  /** Mistral has no biases, and Qwen's are what they are: the tensors in the file show it. */
  private static final Set<String> MISTRAL =
      Set.of(
          "original_max_position_embeddings", "attention_bias", "mlp_bias", "use_sliding_window");

  private static final Set<String> QWEN2 =
      Set.of(
          "original_max_position_embeddings",
          "attention_bias",
          "qkv_bias",
          "mlp_bias",
          "use_mrope",
          "dual_chunk_attention_config");

  private static final Set<String> QWEN3 =
      Set.of(
          "original_max_position_embeddings",
          "attention_bias",
          "use_qk_norm",
          "qk_norm",
          "mlp_bias",
          "use_mrope",
          "dual_chunk_attention_config");

  /** What Phi-4's own code has beside Phi-3's and transformers does not read. */
  private static final Set<String> PHI3 =
      Set.of(
          "original_max_position_embeddings",
          "attention_bias",
          "mlp_bias",
          "lm_head_bias",
          "use_sliding_window",
          "full_attn_mod",
          "interpolate_factor");

  /** {@code hidden_activation} is what Gemma 2 and 3 read. */
  private static final Set<String> GEMMA =
      Set.of(
          "original_max_position_embeddings",
          "partial_rotary_factor",
          "hidden_act",
          "sliding_window_size",
          "sliding_window_pattern",
          "_sliding_window_pattern");

  private static final Set<String> GPT2 =
      Set.of(
          "n_ctx",
          "reorder_and_upcast_attn",
          "summary_type",
          "summary_use_proj",
          "summary_activation",
          "summary_proj_to_labels",
          "summary_first_dropout");

  /** Its base and share are {@code rotary_emb_base} and {@code rotary_pct}. */
  private static final Set<String> NEOX =
      Set.of(
          "rope_theta",
          "partial_rotary_factor",
          "original_max_position_embeddings",
          "attention_probs_dropout_prob",
          "hidden_dropout_prob");

  private static final Set<String> OPT =
      Set.of("dropout", "activation_dropout", "layerdrop", "init_std");

  private static final Set<String> BLOOM =
      Set.of(
          "attention_softmax_in_fp32",
          "bias_dropout_fusion",
          "masked_softmax_fusion",
          "offset_alibi",
          "skip_bias_add",
          "skip_bias_add_qkv",
          "slow_but_exact");

  private static final Map<String, Set<String>> OF_FAMILY =
      Map.ofEntries(
          Map.entry("llama", LLAMA),
          Map.entry("mistral", MISTRAL),
          Map.entry("ministral", MISTRAL),
          Map.entry("phi3", PHI3),
          Map.entry("qwen2", QWEN2),
          Map.entry("qwen3", QWEN3),
          Map.entry("gemma2", GEMMA),
          Map.entry("gemma3_text", GEMMA),
          Map.entry("gpt2", GPT2),
          Map.entry("gpt_neox", NEOX),
          Map.entry("opt", OPT),
          Map.entry("bloom", BLOOM));

  private HarmlessKeys() {}

  /** Whether a key with this value, of any family, asks for nothing. */
  static boolean isOff(String key, JsonNode value) {
    return WHERE_OFF.contains(key)
        && (value.isBoolean() ? !value.booleanValue() : value.isContainerNode() && value.isEmpty());
  }

  /** Of a file of this {@code model_type}. */
  static Set<String> of(String modelType) {
    Set<String> keys = new HashSet<>(OF_EVERY_FILE);
    keys.addAll(OF_FAMILY.getOrDefault(modelType, Set.of()));
    return keys;
  }
}
