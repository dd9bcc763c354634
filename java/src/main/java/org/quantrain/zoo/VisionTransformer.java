package org.quantrain.zoo;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.op.Binary;
import org.quantrain.op.Concat;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.Expand;
import org.quantrain.op.Transpose;
import org.quantrain.op.Unary;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Vision transformers (Dosovitskiy et al. 2021, arXiv:2010.11929): patches, a class token, learned
 * positions, norms before the layers. Initialization as in its authors' code: Glorot's for linear
 * layers, LeCun's for patches, zeros for the class token; the head is a linear layer like others,
 * because a learned scale cannot start from zeros. "Tiny" is the size of DeiT (Touvron et al. 2021,
 * arXiv:2012.12877), table 1.
 */
final class VisionTransformer {
  /** Options; patch is the side of a patch in pixels. */
  static final List<String> OPTIONS = options();

  private static final float EPSILON = 1e-6f;

  private VisionTransformer() {}

  private static List<String> options() {
    List<String> options = new ArrayList<>(List.of("patch"));
    options.addAll(Transformer.OPTIONS);
    return List.copyOf(options);
  }

  /** Checks the values of the options. */
  static void check(NetworkName name) {
    name.allow(OPTIONS);
    size(name);
    patch(name, 16);
  }

  private static Transformer.Size size(NetworkName name) {
    return Transformer.Size.of(name, 192, 12, 3);
  }

  private static int patch(NetworkName name, int orElse) {
    return name.integer("patch", orElse, 1, 64);
  }

  static Model build(NetworkName name, ImageSize image, long seed) {
    Transformer.Size size = size(name);
    int side = Math.min(image.height(), image.width());
    int patch = patch(name, image.isSmall() ? Math.max(side / 8, 2) : 16);
    if (image.height() % patch != 0 || image.width() % patch != 0) {
      throw new IllegalArgumentException(
          "model %s: patch: expected a divisor of %dx%d pixels, got %d"
              .formatted(name.text(), image.height(), image.width(), patch));
    }
    NetworkBuilder net = new NetworkBuilder(seed);
    Transformer layers = new Transformer(net, EPSILON, Unary.Kind.GELU, Transformer.Weights.GLOROT);
    int dim = size.dim();
    Value x = net.input(image.channels(), image.height(), image.width());
    x = net.patches("patches", x, dim, ConvGeometry.of(patch, 0));
    int count = image.height() / patch * (image.width() / patch);
    // The channels of a patch become those of its token.
    x = net.node("patches.tokens", new Transpose(List.of(0, 2, 3, 1), Layout.ROW_MAJOR), x);
    x = layers.reshaped("patches.rows", x, Shape.of(Shape.BATCH, count, dim));
    Value token = net.truncated("class.token", Shape.of(1, 1, dim), 0);
    token = net.node("class", new Expand(TensorSpec.f32(Shape.BATCH, 1, dim)), token);
    x = net.node("tokens", new Concat(1), token, x);
    Value positions = net.normal("positions", Shape.of(count + 1, dim), Transformer.DEVIATION);
    x = net.node("embedded", new Binary(Binary.Kind.ADD), x, positions);
    for (int i = 1; i <= size.depth(); i++) {
      x = layers.preNorm("block" + i, x, size.heads(), null, 1);
    }
    Value first = layers.norm("norm", layers.token("class.result", x, 0));
    return net.build(name.name(), layers.linear("head", first, image.classes()));
  }
}
