package org.quantrain.testkit;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Model;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.Binary;
import org.quantrain.op.Concat;
import org.quantrain.op.Gather;
import org.quantrain.op.LayerNorm;
import org.quantrain.op.Linear;
import org.quantrain.op.MatMul;
import org.quantrain.op.Reduce;
import org.quantrain.op.Relu;
import org.quantrain.op.Reshape;
import org.quantrain.op.Slice;
import org.quantrain.op.Softmax;
import org.quantrain.op.Transpose;
import org.quantrain.op.Unary;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * A network of tokens made from a seed alone: one to three embeddings, blocks of attention with and
 * without masks, scales and transposed operands, feed-forward layers of every activation, layer
 * norms in front, behind or nowhere, sums, one token or the mean or all of them to the classifier,
 * odd sizes. Integer layers and floats alternate in it.
 */
public final class RandomTransformer {
  /** Tokens are below this. */
  public static final int WORDS = 11;

  private static final int CLASSES = 5;
  private static final float MASKED = -10000;

  private final Random random;
  private final GraphBuilder builder = new GraphBuilder();
  private final Map<String, HostTensor> contents = new HashMap<>();
  private final int length;
  private final int dim;
  private int names;

  private RandomTransformer(long seed) {
    random = new Random(seed * 0x9E3779B97F4A7C15L + 1);
    length = 1 + random.nextInt(9);
    dim = 2 * (1 + random.nextInt(9));
  }

  /** The float network of a seed; input int32 [N,T], output [N,5]. */
  public static Model model(long seed) {
    RandomTransformer net = new RandomTransformer(seed);
    Value x = net.embedded();
    int blocks = 1 + net.random.nextInt(2);
    for (int i = 0; i < blocks; i++) {
      x = net.block(x);
    }
    Value logits = net.linear(net.pooled(net.maybe() ? net.norm(x) : x), CLASSES);
    return new Model("transformer" + seed, net.builder.build(logits), net.contents);
  }

  private boolean maybe() {
    return random.nextBoolean();
  }

  private Value embedded() {
    Value ids = builder.input("ids", TensorSpec.s32(Shape.BATCH, length));
    Value x = lookup(ids);
    if (maybe()) {
      x = sum(x, lookup(ids));
    }
    if (random.nextInt(4) == 0) {
      // As wide as the others again, behind the concatenation.
      x = tokenwise(add("joined", new Concat(2), x, lookup(ids)), dim);
    }
    if (maybe()) {
      x = add("positions", new Binary(Binary.Kind.ADD), x, normal(0.5, 0, length, dim));
    }
    return maybe() ? norm(x) : x;
  }

  private Value lookup(Value ids) {
    return add("words", new Gather(0), normal(1, 0, WORDS, dim), ids);
  }

  private Value block(Value x) {
    int norms = random.nextInt(3);
    Value a = attention(norms == 0 ? norm(x) : x);
    Value y = sum(x, a);
    y = norms == 1 ? norm(y) : y;
    if (random.nextInt(4) == 0) {
      return y;
    }
    Value f = feedForward(norms == 0 ? norm(y) : y);
    y = sum(y, f);
    return norms == 1 ? norm(y) : y;
  }

  private Value sum(Value a, Value b) {
    return maybe() ? add("add", new Add(), a, b) : add("add", new Add(), b, a);
  }

  private Value attention(Value x) {
    int heads = random.nextInt(3) == 0 ? 1 : dim % 3 == 0 && maybe() ? 3 : 2;
    Value q = heads(x, heads);
    Value k = heads(x, heads);
    Value v = heads(x, heads);
    Value scores;
    if (maybe()) {
      scores = add("scores", new MatMul(false, true), q, k);
    } else {
      Value turned = add("turned", new Transpose(List.of(0, 1, 3, 2), Layout.ROW_MAJOR), k);
      scores = add("scores", new MatMul(false, false), q, turned);
    }
    if (maybe()) {
      float scale = (float) (1 / Math.sqrt((double) dim / heads));
      scores = add("scaled", new Unary(Unary.Kind.AFFINE, scale), scores);
    }
    if (maybe()) {
      scores = add("masked", new Binary(Binary.Kind.ADD), scores, mask());
    }
    Value weights = add("weights", new Softmax(3), scores);
    Value context = add("context", new MatMul(false, false), weights, v);
    Value back = add("back", new Transpose(List.of(0, 2, 1, 3), Layout.ROW_MAJOR), context);
    return tokenwise(reshape(back, Shape.BATCH, length, dim), dim);
  }

  private Value heads(Value x, int heads) {
    Value apart = reshape(tokenwise(x, dim), Shape.BATCH, length, heads, dim / heads);
    return add("heads", new Transpose(List.of(0, 2, 1, 3), Layout.ROW_MAJOR), apart);
  }

  /** A token attends to those before it. */
  private Value mask() {
    Value mask = builder.state(name("mask"), TensorSpec.f32(length, length));
    float[] values = new float[length * length];
    for (int i = 0; i < values.length; i++) {
      values[i] = i % length > i / length ? MASKED : 0;
    }
    contents.put(mask.name(), HostTensor.of(mask.spec().shape(), values));
    return mask;
  }

  private Value feedForward(Value x) {
    Value inner = tokenwise(x, 1 + random.nextInt(3 * dim));
    Op activation =
        switch (random.nextInt(6)) {
          case 0 -> new Relu();
          case 1 -> new Unary(Unary.Kind.TANH);
          case 2 -> new Unary(Unary.Kind.SIGMOID);
          case 3 -> new Unary(Unary.Kind.GELU_TANH);
          default -> new Unary(Unary.Kind.GELU);
        };
    return tokenwise(add("active", activation, inner), dim);
  }

  private Value pooled(Value x) {
    return switch (random.nextInt(3)) {
      case 0 -> reshape(x, Shape.BATCH, length * dim);
      case 1 -> add("mean", new Reduce(Reduce.Kind.MEAN, List.of(1), false), x);
      default ->
          reshape(
              add("token", new Slice(1, random.nextInt(length), 1, 1), x), Shape.BATCH, dim);
    };
  }

  private Value tokenwise(Value x, int features) {
    Value y = linear(reshape(x, -length, x.spec().shape().dim(2)), features);
    return reshape(y, Shape.BATCH, length, features);
  }

  private Value linear(Value x, int features) {
    int in = x.spec().shape().dim(1);
    Value w = normal(Math.sqrt(1.0 / in), 0, features, in);
    return maybe()
        ? add("linear", new Linear(), x, w, normal(0.3, 0, features))
        : add("linear", new Linear(), x, w);
  }

  private Value norm(Value x) {
    return add("norm", new LayerNorm(2, 1e-5f), x, normal(0.3, 1, dim), normal(0.3, 0, dim));
  }

  private Value reshape(Value x, int... dims) {
    return add("shape", new Reshape(Shape.of(dims)), x);
  }

  private String name(String kind) {
    return kind + ++names;
  }

  private Value add(String kind, Op op, Value... inputs) {
    return builder.node(name(kind), op, inputs).output(0);
  }

  private Value normal(double deviation, double mean, int... dims) {
    Shape shape = Shape.of(dims);
    float[] values = new float[Math.toIntExact(shape.elements())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (mean + deviation * random.nextGaussian());
    }
    Value param = builder.param(name("param"), TensorSpec.f32(dims));
    contents.put(param.name(), HostTensor.of(shape, values));
    return param;
  }
}
