package org.quantrain.benchmarks;

import java.util.List;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.op.Add;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Binary;
import org.quantrain.op.Concat;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.Expand;
import org.quantrain.op.Flatten;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.LayerNorm;
import org.quantrain.op.Linear;
import org.quantrain.op.MatMul;
import org.quantrain.op.MaxPool;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Relu;
import org.quantrain.op.Reshape;
import org.quantrain.op.Slice;
import org.quantrain.op.Softmax;
import org.quantrain.op.Transpose;
import org.quantrain.op.Unary;
import org.quantrain.tensor.Shape;

/** The operations of float networks, each as the one of libtorch that computes it. */
final class TorchOperators {
  private TorchOperators() {}

  /**
   * The first output of a node.
   *
   * @param in tensors of its inputs
   * @throws IllegalArgumentException if the operation is not translated
   */
  static Tensor run(Node node, List<Tensor> in, int batch) {
    Op op = node.op();
    Tensor x = in.get(0);
    if (op instanceof Conv2d conv) {
      ConvGeometry g = conv.geometry();
      requireSymmetric(node, g.padTop() == g.padBottom() && g.padLeft() == g.padRight());
      return torch.conv2d(
          x,
          in.get(1),
          optional(in, 2),
          new long[] {g.strideH(), g.strideW()},
          new long[] {g.padTop(), g.padLeft()},
          new long[] {g.dilationH(), g.dilationW()},
          g.groups());
    } else if (op instanceof Linear) {
      return torch.linear(x, in.get(1), optional(in, 2));
    } else if (op instanceof MatMul product) {
      requireTrue(node, !product.transA() && !product.transB(), "with a transposed operand");
      return torch.matmul(x, in.get(1));
    } else if (op instanceof BatchNorm norm) {
      return torch.batch_norm(
          x,
          optional(in, 1),
          optional(in, 2),
          optional(in, 3),
          optional(in, 4),
          true,
          norm.momentum(),
          norm.epsilon(),
          true);
    } else if (op instanceof LayerNorm norm) {
      long[] inner = dims(node.input(1).spec().shape());
      return torch.layer_norm(x, inner, optional(in, 1), optional(in, 2), norm.epsilon(), true);
    } else if (op instanceof Relu relu) {
      return Float.isInfinite(relu.upper())
          ? torch.relu(x)
          : torch.hardtanh(x, new Scalar(0.0), new Scalar((double) relu.upper()));
    } else if (op instanceof Unary unary) {
      return unary(node, unary, x);
    } else if (op instanceof Softmax softmax) {
      return torch.softmax(x, softmax.axis());
    } else if (op instanceof Add) {
      return torch.add(x, in.get(1));
    } else if (op instanceof Binary binary) {
      requireTrue(node, binary.function() == Binary.Kind.ADD, binary.function().toString());
      return torch.add(x, in.get(1));
    } else if (op instanceof MaxPool pool) {
      PoolWindow w = pool.window();
      requireSymmetric(node, w.padTop() == w.padBottom() && w.padLeft() == w.padRight());
      return torch.max_pool2d(
          x,
          new long[] {w.kernelH(), w.kernelW()},
          new long[] {w.strideH(), w.strideW()},
          new long[] {w.padTop(), w.padLeft()},
          new long[] {1, 1},
          false);
    } else if (op instanceof GlobalAveragePool) {
      return torch.adaptive_avg_pool2d(x, 1, 1);
    }
    return moved(node, in, batch);
  }

  private static Tensor unary(Node node, Unary unary, Tensor x) {
    if (unary.function() == Unary.Kind.GELU) {
      return torch.gelu(x);
    }
    boolean scaling = unary.function() == Unary.Kind.AFFINE && unary.beta() == 0;
    requireTrue(node, scaling, unary.toString());
    return torch.mul(x, new Scalar((double) unary.alpha()));
  }

  /** Operations that compute nothing. */
  private static Tensor moved(Node node, List<Tensor> in, int batch) {
    Op op = node.op();
    Tensor x = in.get(0);
    if (op instanceof Flatten) {
      return torch.flatten(x, 1, -1);
    } else if (op instanceof Reshape reshape) {
      return x.reshape(dims(reshape.to().withBatch(batch)));
    } else if (op instanceof Transpose transpose) {
      return x.permute(transpose.perm().stream().mapToLong(Integer::longValue).toArray());
    } else if (op instanceof Expand expand) {
      return x.expand(dims(expand.to().withBatch(batch).shape()));
    } else if (op instanceof Concat concat) {
      return torch.cat(new TensorVector(in.toArray(Tensor[]::new)), concat.axis());
    } else if (op instanceof Slice slice && slice.step() > 0) {
      long end = slice.start() + (long) slice.step() * slice.size();
      LongOptional start = new LongOptional(slice.start());
      return x.slice(slice.axis(), start, new LongOptional(end), slice.step());
    }
    throw untranslated(node, "");
  }

  /** Sizes as libtorch takes them. */
  static long[] dims(Shape shape) {
    long[] dims = new long[shape.rank()];
    for (int i = 0; i < dims.length; i++) {
      dims[i] = shape.dim(i);
    }
    return dims;
  }

  private static TensorOptional optional(List<Tensor> in, int i) {
    return i < in.size() ? new TensorOptional(in.get(i)) : new TensorOptional();
  }

  private static void requireSymmetric(Node node, boolean symmetric) {
    requireTrue(node, symmetric, "that pads its sides differently");
  }

  private static void requireTrue(Node node, boolean translated, String what) {
    if (!translated) {
      throw untranslated(node, " " + what);
    }
  }

  private static IllegalArgumentException untranslated(Node node, String what) {
    return new IllegalArgumentException(
        "no translation to libtorch of %s%s (%s); --only ours times it without"
            .formatted(node.op().kind(), what, node.name()));
  }
}
