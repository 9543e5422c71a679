package dev.troupe.models.checkpoint;

import dev.troupe.models.peft.Adapter;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * A Llama decoder in plain Java and double precision, one sequence at a time: slow, and simple
 * enough to check by reading. It holds the files and the configuration to the golden logits without
 * any tensor library.
 */
final class ReferenceLlama {
  private final ModelConfig config;
  private final Map<String, float[]> weights = new HashMap<>();
  private final double[] frequencies;

  ReferenceLlama(Checkpoint checkpoint, Optional<Adapter> adapter) {
    config = checkpoint.config();
    frequencies = config.rotaryFrequencies();
    checkpoint.names().forEach(name -> weights.put(name, checkpoint.floats(name)));
    adapter.ifPresent(this::merge);
  }

  private void merge(Adapter adapter) {
    adapter.changes(config).forEach((name, added) -> added.mergeInto(weights.get(name)));
  }

  /** Logits after every token, {@code (tokens, vocabulary)}. */
  double[][] logits(int[] tokens) {
    double[][] x = new double[tokens.length][];
    for (int t = 0; t < tokens.length; t++) {
      x[t] = row("model.embed_tokens.weight", tokens[t]);
    }
    for (int layer = 0; layer < config.layers(); layer++) {
      String prefix = "model.layers." + layer + ".";
      attend(x, prefix);
      for (double[] state : x) {
        double[] normed = norm(state, prefix + "post_attention_layernorm.weight");
        double[] gate = linear(normed, prefix + "mlp.gate_proj.weight");
        double[] up = linear(normed, prefix + "mlp.up_proj.weight");
        for (int i = 0; i < gate.length; i++) {
          gate[i] = gate[i] / (1 + Math.exp(-gate[i])) * up[i];
        }
        add(state, linear(gate, prefix + "mlp.down_proj.weight"));
      }
    }
    double[][] logits = new double[tokens.length][];
    for (int t = 0; t < tokens.length; t++) {
      logits[t] =
          linear(
              norm(x[t], "model.norm.weight"),
              config.tiedEmbeddings() ? "model.embed_tokens.weight" : "lm_head.weight");
    }
    return logits;
  }

  private void attend(double[][] x, String prefix) {
    double[][] q = new double[x.length][];
    double[][] k = new double[x.length][];
    double[][] v = new double[x.length][];
    for (int t = 0; t < x.length; t++) {
      double[] normed = norm(x[t], prefix + "input_layernorm.weight");
      q[t] = rotate(linear(normed, prefix + "self_attn.q_proj.weight"), t);
      k[t] = rotate(linear(normed, prefix + "self_attn.k_proj.weight"), t);
      v[t] = linear(normed, prefix + "self_attn.v_proj.weight");
    }
    int width = config.headDim();
    for (int t = 0; t < x.length; t++) {
      double[] mixed = new double[config.heads() * width];
      for (int head = 0; head < config.heads(); head++) {
        int shared = head / (config.heads() / config.kvHeads()) * width;
        double[] weight = new double[t + 1];
        double sum = 0;
        for (int s = 0; s <= t; s++) {
          double score = 0;
          for (int i = 0; i < width; i++) {
            score += q[t][head * width + i] * k[s][shared + i];
          }
          weight[s] = Math.exp(score / Math.sqrt(width));
          sum += weight[s];
        }
        for (int s = 0; s <= t; s++) {
          for (int i = 0; i < width; i++) {
            mixed[head * width + i] += weight[s] / sum * v[s][shared + i];
          }
        }
      }
      add(x[t], linear(mixed, prefix + "self_attn.o_proj.weight"));
    }
  }

  /** Rotates the halves of each head against each other, as the stored order of rows asks for. */
  private double[] rotate(double[] heads, int position) {
    int half = frequencies.length;
    double[] rotated = new double[heads.length];
    for (int i = 0; i < heads.length; i++) {
      int inHead = i % (2 * half);
      double angle = position * frequencies[inHead % half];
      double other = inHead < half ? -heads[i + half] : heads[i - half];
      rotated[i] = heads[i] * Math.cos(angle) + other * Math.sin(angle);
    }
    return rotated;
  }

  private double[] norm(double[] x, String name) {
    double squares = 0;
    for (double value : x) {
      squares += value * value;
    }
    double scale = 1 / Math.sqrt(squares / x.length + config.normEps());
    float[] weight = weights.get(name);
    double[] normed = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      normed[i] = x[i] * scale * weight[i];
    }
    return normed;
  }

  private double[] linear(double[] x, String name) {
    float[] weight = weights.get(name);
    double[] y = new double[weight.length / x.length];
    for (int row = 0; row < y.length; row++) {
      for (int i = 0; i < x.length; i++) {
        y[row] += (double) weight[row * x.length + i] * x[i];
      }
    }
    return y;
  }

  private double[] row(String name, int index) {
    double[] row = new double[config.hiddenSize()];
    for (int i = 0; i < row.length; i++) {
      row[i] = weights.get(name)[index * row.length + i];
    }
    return row;
  }

  private static void add(double[] x, double[] y) {
    for (int i = 0; i < x.length; i++) {
      x[i] += y[i];
    }
  }
}
