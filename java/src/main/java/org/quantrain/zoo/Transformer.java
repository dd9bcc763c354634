package org.quantrain.zoo;

import java.util.List;
import org.quantrain.graph.Value;
import org.quantrain.op.Binary;
import org.quantrain.op.LayerNorm;
import org.quantrain.op.Linear;
import org.quantrain.op.MatMul;
import org.quantrain.op.Reshape;
import org.quantrain.op.Slice;
import org.quantrain.op.Softmax;
import org.quantrain.op.Transpose;
import org.quantrain.op.Unary;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.Shape;

/** The layers of transformers (Vaswani et al. 2017, arXiv:1706.03762) on tokens [N,T,C]. */
final class Transformer {
  /** Options of the networks. */
  static final List<String> OPTIONS = List.of("dim", "depth", "heads");

  /** Of tables of words and positions, in all three families. */
  static final double DEVIATION = 0.02;

  /** How weights of linear layers start; biases are zero. */
  enum Weights {
    /** Deviation 0.02, drawn again beyond two of it. */
    TRUNCATED_NORMAL,
    /** Deviation 0.02. */
    NORMAL,
    /** Uniform up to sqrt(6 / (inputs + outputs)): Glorot and Bengio 2010, equation 16. */
    GLOROT
  }

  private static final Layout ROWS = Layout.ROW_MAJOR;

  private final NetworkBuilder net;
  private final float epsilon;
  private final Unary.Kind activation;
  private final Weights weights;

  /** How wide, how deep. */
  record Size(int dim, int depth, int heads) {
    /**
     * From the options.
     *
     * @throws IllegalArgumentException if heads do not divide dim
     */
    static Size of(NetworkName name, int dim, int depth, int heads) {
      Size size =
          new Size(
              name.integer("dim", dim, 1, 4096),
              name.integer("depth", depth, 1, 64),
              name.integer("heads", heads, 1, 64));
      if (size.dim() % size.heads() != 0) {
        throw new IllegalArgumentException(
            "model %s: dim: expected a multiple of the %d heads, got %d"
                .formatted(name.text(), size.heads(), size.dim()));
      }
      return size;
    }
  }

  /**
   * @param epsilon of the layer norms
   * @param activation of the feed-forward layers
   */
  Transformer(NetworkBuilder net, float epsilon, Unary.Kind activation, Weights weights) {
    this.net = net;
    this.weights = weights;
    this.epsilon = epsilon;
    this.activation = activation;
  }

  /** Over the last dimension. */
  Value norm(String name, Value x) {
    Shape shape = x.spec().shape();
    int last = shape.rank() - 1;
    Value gamma = net.vector(name + ".gamma", shape.dim(last), 1);
    Value beta = net.vector(name + ".beta", shape.dim(last), 0);
    return net.node(name, new LayerNorm(last, epsilon), x, gamma, beta);
  }

  /** A linear layer of [N,C]. */
  Value linear(String name, Value x, int features) {
    return linear(name, x, features, 1);
  }

  private Value linear(String name, Value x, int features, double factor) {
    int inputs = x.spec().shape().dim(1);
    Shape shape = Shape.of(features, inputs);
    Value w =
        switch (weights) {
          case TRUNCATED_NORMAL -> net.truncated(name + ".weight", shape, DEVIATION * factor);
          case NORMAL -> net.normal(name + ".weight", shape, DEVIATION * factor);
          case GLOROT ->
              net.uniform(name + ".weight", shape, factor * Math.sqrt(6.0 / (inputs + features)));
        };
    return net.node(name, new Linear(), x, w, net.vector(name + ".bias", features, 0));
  }

  /**
   * A linear layer on every token.
   *
   * @param factor of its weights
   */
  private Value tokenwise(String name, Value x, int features, double factor) {
    Shape shape = x.spec().shape();
    int tokens = shape.dim(1);
    Value rows = reshaped(name + ".rows", x, Shape.of(-tokens, shape.dim(2)));
    Value y = linear(name, rows, features, factor);
    return reshaped(name + ".tokens", y, Shape.of(Shape.BATCH, tokens, features));
  }

  /**
   * Scaled dot-product attention of every token to all.
   *
   * @param mask added to the scores [N,heads,T,T], or null
   * @param factor of the output's weights
   */
  private Value attention(String name, Value x, int heads, Value mask, double factor) {
    int dim = x.spec().shape().dim(2);
    Value q = heads(name + ".query", x, heads, List.of(0, 2, 1, 3));
    Value k = heads(name + ".key", x, heads, List.of(0, 2, 3, 1));
    Value v = heads(name + ".value", x, heads, List.of(0, 2, 1, 3));
    Value scores = net.node(name + ".scores", new MatMul(false, false), q, k);
    float scale = (float) (1 / Math.sqrt((double) dim / heads));
    if (scale != 1) {
      scores = net.node(name + ".scaled", new Unary(Unary.Kind.AFFINE, scale), scores);
    }
    if (mask != null) {
      scores = net.node(name + ".masked", new Binary(Binary.Kind.ADD), scores, mask);
    }
    Value weights = net.node(name + ".weights", new Softmax(3), scores);
    Value context = net.node(name + ".context", new MatMul(false, false), weights, v);
    Value joined =
        net.node(name + ".joined", new Transpose(List.of(0, 2, 1, 3), ROWS), context);
    Value all = reshaped(name + ".heads", joined, x.spec().shape());
    return tokenwise(name + ".output", all, dim, factor);
  }

  /** [N,T,C] to a matrix for each head, its dimensions (N, T, head, element of it) permuted. */
  private Value heads(String name, Value x, int heads, List<Integer> order) {
    Shape shape = x.spec().shape();
    Value y = tokenwise(name, x, shape.dim(2), 1);
    Shape split = Shape.of(Shape.BATCH, shape.dim(1), heads, shape.dim(2) / heads);
    Value apart = reshaped(name + ".split", y, split);
    return net.node(name + ".heads", new Transpose(order, ROWS), apart);
  }

  /** Two linear layers, the inner four times as wide. */
  private Value feedForward(String name, Value x, double factor) {
    int dim = x.spec().shape().dim(2);
    Value inner = tokenwise(name + ".up", x, 4 * dim, 1);
    Value active = net.node(name + ".activation", new Unary(activation), inner);
    return tokenwise(name + ".down", active, dim, factor);
  }

  /**
   * Norms before attention and feed-forward: ViT, GPT-2.
   *
   * @param factor of the weights of what is added
   */
  Value preNorm(String name, Value x, int heads, Value mask, double factor) {
    Value a = attention(name + ".attention", norm(name + ".norm1", x), heads, mask, factor);
    Value y = net.add(name + ".add1", x, a);
    Value f = feedForward(name + ".mlp", norm(name + ".norm2", y), factor);
    return net.add(name + ".add2", y, f);
  }

  /** Norms behind the sums: BERT. */
  Value postNorm(String name, Value x, int heads, Value mask) {
    Value a = attention(name + ".attention", x, heads, mask, 1);
    Value y = norm(name + ".norm1", net.add(name + ".add1", x, a));
    Value f = feedForward(name + ".mlp", y, 1);
    return norm(name + ".norm2", net.add(name + ".add2", y, f));
  }

  /** One token of each image or text, [N,C]. */
  Value token(String name, Value x, int index) {
    int dim = x.spec().shape().dim(2);
    Value one = net.node(name, new Slice(1, index, 1, 1), x);
    return reshaped(name + ".row", one, Shape.of(Shape.BATCH, dim));
  }

  Value reshaped(String name, Value x, Shape to) {
    return net.node(name, new Reshape(to), x);
  }
}
