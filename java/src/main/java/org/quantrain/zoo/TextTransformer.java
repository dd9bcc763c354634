package org.quantrain.zoo;

import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.op.Binary;
import org.quantrain.op.Gather;
import org.quantrain.op.Linear;
import org.quantrain.op.ToFloat;
import org.quantrain.op.Unary;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Transformers on tokens of text: the encoder BERT (Devlin et al. 2019, arXiv:1810.04805) with a
 * classifier, "tiny" as in Turc et al. 2019, arXiv:1908.08962, and a decoder like GPT-2 (Radford et
 * al. 2019) of the same size. Inputs are int32 [N,T].
 */
final class TextTransformer {
  /** Added to scores that do not count: their weights are 0 in float32. */
  private static final float MASKED = -10000;

  private final NetworkBuilder net;
  private final Transformer layers;
  private final int length;

  private TextTransformer(
      long seed,
      int length,
      float epsilon,
      Unary.Kind activation,
      Transformer.Weights weights) {
    this.net = new NetworkBuilder(seed);
    this.layers = new Transformer(net, epsilon, activation, weights);
    this.length = length;
  }

  static Transformer.Size size(NetworkName name) {
    return Transformer.Size.of(name, 128, 2, 2);
  }

  private Value tokens(String name) {
    return net.input(name, TensorSpec.s32(Shape.BATCH, length));
  }

  private Value embedding(String name, Value indices, int entries, int dim) {
    Value table = net.truncated(name + ".table", Shape.of(entries, dim), Transformer.DEVIATION);
    return net.node(name, new Gather(0), table, indices);
  }

  private Value positions(Value x, int dim) {
    Value table = net.truncated("positions", Shape.of(length, dim), Transformer.DEVIATION);
    return net.node("embedded", new Binary(Binary.Kind.ADD), x, table);
  }

  /**
   * Inputs input_ids, attention_mask (1 where a token counts, else 0) and token_type_ids (0 or 1);
   * output logits [N,classes].
   */
  static Model encoder(NetworkName name, int length, int words, int classes, long seed) {
    Transformer.Size size = size(name);
    TextTransformer text =
        new TextTransformer(
            seed, length, 1e-12f, Unary.Kind.GELU, Transformer.Weights.TRUNCATED_NORMAL);
    NetworkBuilder net = text.net;
    int dim = size.dim();
    Value ids = text.tokens("input_ids");
    Value counts = text.tokens("attention_mask");
    Value types = text.tokens("token_type_ids");
    Value x =
        net.add(
            "typed",
            text.embedding("words", ids, words, dim),
            text.embedding("types", types, 2, dim));
    x = text.layers.norm("norm", text.positions(x, dim));
    // 0 where the mask is 1, MASKED where it is 0.
    Value mask =
        net.node(
            "mask",
            new Unary(Unary.Kind.AFFINE, -MASKED, MASKED),
            net.node("counts", new ToFloat(), counts));
    mask = text.layers.reshaped("mask.all", mask, Shape.of(Shape.BATCH, 1, 1, length));
    for (int i = 1; i <= size.depth(); i++) {
      x = text.layers.postNorm("block" + i, x, size.heads(), mask);
    }
    Value first = text.layers.token("first", x, 0);
    Value pooled = text.layers.linear("pooler", first, dim);
    pooled = net.node("pooler.tanh", new Unary(Unary.Kind.TANH), pooled);
    return net.build(name.name(), text.layers.linear("classifier", pooled, classes));
  }

  /**
   * Input input_ids; output the logits [N,T,words] of the token that follows each. The table of
   * words is the last layer's weights too; weights of layers that are added start smaller, by the
   * root of how many there are.
   */
  static Model decoder(NetworkName name, int length, int words, long seed) {
    Transformer.Size size = size(name);
    TextTransformer text =
        new TextTransformer(
            seed, length, 1e-5f, Unary.Kind.GELU_TANH, Transformer.Weights.NORMAL);
    NetworkBuilder net = text.net;
    int dim = size.dim();
    Value ids = text.tokens("input_ids");
    Value table = net.truncated("words.table", Shape.of(words, dim), Transformer.DEVIATION);
    Value x = text.positions(net.node("words", new Gather(0), table, ids), dim);
    Value mask = net.constant("mask", Shape.of(length, length), text.below());
    double added = 1 / Math.sqrt(2.0 * size.depth());
    for (int i = 1; i <= size.depth(); i++) {
      x = text.layers.preNorm("block" + i, x, size.heads(), mask, added);
    }
    x = text.layers.norm("norm", x);
    Value rows = text.layers.reshaped("rows", x, Shape.of(-length, dim));
    Value logits = net.node("logits", new Linear(), rows, table);
    return net.build(
        name.name(), text.layers.reshaped("output", logits, Shape.of(Shape.BATCH, length, words)));
  }

  /** 0 at and below the diagonal: a token attends to those before it. */
  private float[] below() {
    float[] mask = new float[length * length];
    for (int i = 0; i < length; i++) {
      for (int j = i + 1; j < length; j++) {
        mask[i * length + j] = MASKED;
      }
    }
    return mask;
  }
}
