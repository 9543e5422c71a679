package dev.troupe.models.checkpoint;

import static dev.troupe.models.checkpoint.ConfigKeys.require;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.Decoder.Positions.Rotary;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * What a {@code config.json} says of rotary positions, standardised as {@code transformers} 5.24
 * does ({@code convert_rope_params_to_dict} and {@code standardize_rope_params}), with its order of
 * precedence where a file says it more than once:
 *
 * <ol>
 *   <li>{@code rope_scaling} if it is not empty, otherwise {@code rope_parameters}: the one hides
 *       the other altogether.
 *   <li>The base: {@code rope_theta} in there, then beside it, then the family's.
 *   <li>The share that turns: {@code partial_rotary_factor} in there, then beside it, then the
 *       family's; most families read it for no kind but the scaled ones, which then do not run.
 *   <li>The kind: {@code rope_type} before {@code type}.
 *   <li>{@code original_max_position_embeddings} (llama3, yarn, longrope): beside before inside,
 *       then {@code max_position_embeddings}.
 * </ol>
 */
final class Rope {
  private static final String THETA = "rope_theta";
  private static final String PARTIAL = "partial_rotary_factor";
  private static final String ORIGINAL = "original_max_position_embeddings";
  private static final String FULL = "full_attention";
  private static final String SLIDING = "sliding_attention";

  /** Of kinds other than the one that is asked for, or of programs other than transformers. */
  private static final Set<String> WITHOUT_EFFECT =
      Set.of(
          "rope_type",
          "type",
          THETA,
          PARTIAL,
          ORIGINAL,
          "factor",
          "attention_factor",
          "beta_fast",
          "beta_slow",
          "mscale",
          "mscale_all_dim",
          "truncate",
          "short_factor",
          "long_factor",
          "low_freq_factor",
          "high_freq_factor",
          // Three equal positions, where there is text alone.
          "mrope_section",
          "mrope_interleaved",
          // How the model was trained.
          "finetuned");

  /**
   * What a family calls its base and its share, and what they are when absent.
   *
   * @param partial whether a share counts without scaling as well
   * @param original what {@link #ORIGINAL} is beside the object when absent, where the family
   *     always has one
   */
  private record Style(
      String baseKey,
      double base,
      String shareKey,
      double share,
      boolean partial,
      OptionalInt original) {}

  private static final Style COMMON =
      new Style(THETA, 10_000, PARTIAL, 1, false, OptionalInt.empty());

  private static final Style PHI3 =
      new Style(THETA, 10_000, PARTIAL, 1, true, OptionalInt.of(4096));

  private static final Style NEOX =
      new Style("rotary_emb_base", 10_000, "rotary_pct", 0.25, true, OptionalInt.empty());

  private final ConfigKeys model;
  private final int headDim;
  private final int positions;
  private final Style style;

  private Rope(ConfigKeys model, int headDim, int positions, Style style) {
    this.model = model;
    this.headDim = headDim;
    this.positions = positions;
    this.style = style;
    // Read whether they count in this file or not.
    model.mentions(style.baseKey);
    model.mentions(style.shareKey);
    require(headDim > 0, "head_dim must be positive, found " + headDim);
    require(headDim % 2 == 0, "head_dim " + headDim + " is odd; rotary positions need pairs");
  }

  /**
   * Of Llama, Mistral, Qwen and Gemma 2.
   *
   * @param positions the context in tokens, stretched
   */
  static Rotary common(ConfigKeys model, int headDim, int positions) {
    return new Rope(model, headDim, positions, COMMON).flat();
  }

  /** Of Phi-3: where a share turns, and longrope is the only scaling, by three names. */
  static Rotary phi3(ConfigKeys model, int headDim, int positions) {
    return new Rope(model, headDim, positions, PHI3).flat();
  }

  /** Of GPT-NeoX. */
  static Rotary neox(ConfigKeys model, int headDim, int positions) {
    return new Rope(model, headDim, positions, NEOX).flat();
  }

  private Rotary flat() {
    ConfigKeys scaling = model.object("rope_scaling");
    ConfigKeys parameters = model.object("rope_parameters");
    ConfigKeys dict = scaling.isEmpty() ? parameters : scaling;
    double theta =
        dict.mentions(THETA) ? dict.positive(THETA, 1) : model.positive(style.baseKey, style.base);
    String type = dict.text("rope_type", dict.text("type", "default"));
    if (style.original.isPresent()) {
      require(
          Set.of("default", "longrope", "su", "yarn").contains(type),
          dict.name()
              + " of type '"
              + type
              + "' cannot be run in Phi-3; known are default, longrope");
      type = type.equals("default") ? type : "longrope";
    }
    int dims = turning(dict, type);
    RopeScaling scaled = scaling(dict, type, dims, dict, true);
    dict.refuseOthers(WITHOUT_EFFECT, "rotary positions");
    return new Rotary(dims, theta, scaled, Optional.empty());
  }

  /**
   * Of Gemma 3: {@code rope_parameters} has an object for each kind of layer, and what stands flat
   * in it counts for nothing; {@code rope_scaling} is of the layers that see all.
   */
  static Rotary gemma3(ConfigKeys model, int headDim, int positions) {
    return new Rope(model, headDim, positions, COMMON).byLayerType();
  }

  private Rotary byLayerType() {
    ConfigKeys parameters = model.object("rope_parameters");
    ObjectNode full = nested(parameters, FULL);
    if (model.has("rope_scaling")) {
      require(
          !model.has("rope_parameters") || parameters.has(FULL),
          "rope_scaling stands beside a rope_parameters without full_attention, of whose layers it is; give the scaling there");
      full.setAll(model.object("rope_scaling").copy());
    }
    ConfigKeys far =
        new ConfigKeys(
            full,
            model.has("rope_scaling") && !parameters.has(FULL)
                ? "rope_scaling: "
                : "rope_parameters: full_attention: ");
    ConfigKeys near =
        new ConfigKeys(nested(parameters, SLIDING), "rope_parameters: sliding_attention: ");
    parameters.refuseOthers(WITHOUT_EFFECT, "rotary positions");
    model.mentions("rope_local_base_freq");
    double theta = base(far, THETA, 1_000_000);
    double local = base(near, "rope_local_base_freq", 10_000);
    RopeScaling farScaling = ofLayerType(far, parameters);
    RopeScaling nearScaling = ofLayerType(near, parameters);
    return new Rotary(
        headDim, theta, farScaling, Optional.of(new Rotary.Local(local, nearScaling)));
  }

  private static ObjectNode nested(ConfigKeys parameters, String layerType) {
    ConfigKeys found = parameters.object(layerType);
    // Where there is an object without a type, an older "type" in it counts; here it would not.
    return parameters.has(layerType) ? found.copy() : JsonFile.object().put("rope_type", "default");
  }

  private double base(ConfigKeys dict, String beside, double otherwise) {
    return dict.mentions(THETA) ? dict.positive(THETA, 1) : model.positive(beside, otherwise);
  }

  private RopeScaling ofLayerType(ConfigKeys dict, ConfigKeys parameters) {
    String type = dict.text("rope_type", dict.text("type", "default"));
    RopeScaling scaling = scaling(dict, type, turning(dict, type), parameters, false);
    dict.refuseOthers(WITHOUT_EFFECT, "rotary positions");
    return scaling;
  }

  /** How many numbers of a head turn. */
  private int turning(ConfigKeys dict, String type) {
    // Null beside is absent, but for the families whose own code reads it.
    boolean beside = style.partial ? model.mentions(style.shareKey) : model.has(style.shareKey);
    String key = dict.mentions(PARTIAL) ? PARTIAL : style.shareKey;
    double share =
        dict.mentions(PARTIAL)
            ? dict.positive(PARTIAL, 1)
            : beside ? model.positive(style.shareKey, 1) : style.share;
    int dims = (int) (headDim * share);
    if (!style.partial) {
      require(
          type.equals("default") || dims == headDim,
          key
              + " "
              + share
              + " beside rope_type '"
              + type
              + "' cannot be run in this family, which turns whole heads; expected 1");
      return headDim;
    }
    require(
        share <= 1 && dims > 0 && dims % 2 == 0,
        key
            + " "
            + share
            + " of head_dim "
            + headDim
            + " turns "
            + dims
            + " numbers; expected an even number of at most head_dim");
    return dims;
  }

  /**
   * @param borders the object whose {@code truncate} counts
   * @param flat whether {@link #ORIGINAL} beside the object counts
   */
  private RopeScaling scaling(
      ConfigKeys dict, String type, int dims, ConfigKeys borders, boolean flat) {
    return switch (type) {
      case "default" -> new RopeScaling.None();
      case "linear" -> new RopeScaling.Linear(dict.atLeastOne("factor"));
      case "dynamic" -> {
        dict.atLeastOne("factor");
        yield new RopeScaling.None();
      }
      case "llama3" -> llama3(dict, original(dict, flat));
      case "yarn" -> yarn(dict, original(dict, flat), borders.bool("truncate", true));
      case "longrope" -> longRope(dict, original(dict, flat), dims / 2);
      default ->
          throw new IllegalArgumentException(
              dict.name()
                  + " of type '"
                  + type
                  + "' cannot be run; known are default, linear, dynamic, llama3, yarn, longrope");
    };
  }

  private int original(ConfigKeys dict, boolean flat) {
    int original =
        flat && (model.mentions(ORIGINAL) || style.original.isPresent())
            ? model.integer(ORIGINAL, style.original.orElse(0))
            : dict.integer(ORIGINAL, positions);
    require(original > 1, ORIGINAL + " must exceed 1, found " + original);
    return original;
  }

  private static RopeScaling llama3(ConfigKeys dict, int original) {
    double low = dict.atLeastOne("low_freq_factor");
    double high = dict.atLeastOne("high_freq_factor");
    dict.check(high > low, "high_freq_factor " + high + " must exceed low_freq_factor " + low);
    return new RopeScaling.Llama3(dict.atLeastOne("factor"), low, high, original);
  }

  private RopeScaling yarn(ConfigKeys dict, int original, boolean truncate) {
    dict.check(dict.mentions("factor"), "factor must be a number of at least 1, found nothing");
    double factor = dict.has("factor") ? dict.atLeastOne("factor") : (double) positions / original;
    double scale = orZero(dict, "mscale");
    double all = orZero(dict, "mscale_all_dim");
    double amplitude =
        scale != 0 && all != 0 ? growth(factor, scale) / growth(factor, all) : growth(factor, 1);
    double fast = orZero(dict, "beta_fast");
    double slow = orZero(dict, "beta_slow");
    dict.check(fast >= 0 && slow >= 0, "beta_fast and beta_slow must not be negative");
    return new RopeScaling.Yarn(
        factor,
        fast == 0 ? 32 : fast,
        slow == 0 ? 1 : slow,
        original,
        truncate,
        amplitude(dict, amplitude));
  }

  private static double growth(double factor, double scale) {
    return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
  }

  /** Null is as good as absent, and both as 0. */
  private static double orZero(ConfigKeys dict, String key) {
    return dict.has(key) ? dict.number(key, 0) : 0;
  }

  private static double amplitude(ConfigKeys dict, double otherwise) {
    if (!dict.has("attention_factor")) {
      return otherwise;
    }
    double given = dict.number("attention_factor", 0);
    dict.check(
        given >= 0 && Double.isFinite(given),
        "attention_factor must not be negative, found " + given);
    return given;
  }

  private RopeScaling longRope(ConfigKeys dict, int original, int pairs) {
    List<Double> shorts = dict.factors("short_factor", pairs);
    List<Double> longs = dict.factors("long_factor", pairs);
    double factor = dict.has("factor") ? dict.positive("factor", 1) : (double) positions / original;
    double amplitude = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
    // Of all families, transformers' Phi-3 alone drops its cache where the factors change.
    return new RopeScaling.LongRope(shorts, longs, original, amplitude(dict, amplitude));
  }
}
