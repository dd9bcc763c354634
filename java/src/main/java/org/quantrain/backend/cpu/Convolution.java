package org.quantrain.backend.cpu;

import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_ATTR_ZERO_POINTS;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_BIAS;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DIFF_DST;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DIFF_SRC;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DIFF_WEIGHTS;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DST;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SRC;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_WEIGHTS;
import static org.bytedeco.dnnl.global.dnnl.dnnl_a;
import static org.bytedeco.dnnl.global.dnnl.dnnl_convolution_backward_data_primitive_desc_create;
import static org.bytedeco.dnnl.global.dnnl.dnnl_convolution_backward_weights_primitive_desc_create;
import static org.bytedeco.dnnl.global.dnnl.dnnl_convolution_direct;
import static org.bytedeco.dnnl.global.dnnl.dnnl_convolution_forward_primitive_desc_create;
import static org.bytedeco.dnnl.global.dnnl.dnnl_f32;
import static org.bytedeco.dnnl.global.dnnl.dnnl_forward_training;
import static org.bytedeco.dnnl.global.dnnl.dnnl_gohwi;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_desc_equal;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_desc_get_size;
import static org.bytedeco.dnnl.global.dnnl.dnnl_nhwc;
import static org.bytedeco.dnnl.global.dnnl.dnnl_ohwi;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_attr_set_zero_points_mask;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_desc_next_impl;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_desc_query_md;
import static org.bytedeco.dnnl.global.dnnl.dnnl_query_diff_weights_md;
import static org.bytedeco.dnnl.global.dnnl.dnnl_query_weights_md;
import static org.bytedeco.dnnl.global.dnnl.dnnl_s32;
import static org.bytedeco.dnnl.global.dnnl.dnnl_s8;

import org.bytedeco.dnnl.dnnl_memory_desc;
import org.bytedeco.dnnl.dnnl_primitive_attr;
import org.bytedeco.dnnl.dnnl_primitive_desc;
import org.quantrain.backend.shared.Scratch;
import org.quantrain.backend.shared.Steps;
import org.quantrain.internal.bind.qt_window;
import org.quantrain.op.ConvGeometry;
import org.quantrain.tensor.Shape;

/**
 * One convolution of bound size and its oneDNN primitives. Activations NHWC, weights KRSC; oneDNN
 * chooses the order of the weights it works on, and a reorder brings them there, at each run where
 * they may have changed: it moves the weights once, where the convolution reads them for every
 * image.
 *
 * @param c input channels of all groups
 */
record Convolution(
    long n, long c, long h, long w, long k, long r, long s, long p, long q, ConvGeometry geometry) {
  /**
   * What oneDNN takes first for depthwise convolutions of floats with AVX2. The next one, jit_dw,
   * is 1.3 to 1.8 times as fast (Zen 3).
   */
  private static final String SLOW_DEPTHWISE = "brdgmm_dw:avx2";

  static Convolution of(ConvGeometry geometry, Shape x, Shape weights) {
    Shape y = geometry.output(x, weights);
    return new Convolution(
        x.dim(0),
        x.dim(1),
        x.dim(2),
        x.dim(3),
        weights.dim(0),
        weights.dim(2),
        weights.dim(3),
        y.dim(2),
        y.dim(3),
        geometry);
  }

  /** x w^T for x [rows, in] and w [out, in]: a convolution of one pixel has the same memory. */
  static Convolution ofLinear(long rows, long in, long out) {
    return new Convolution(rows, in, 1, 1, out, 1, 1, 1, 1, ConvGeometry.of(1, 0));
  }

  long groups() {
    return geometry.groups();
  }

  /** Input channels of one group. */
  long groupChannels() {
    return c / groups();
  }

  long inputs() {
    return n * c * h * w;
  }

  long weights() {
    return k * groupChannels() * r * s;
  }

  long outputs() {
    return n * k * p * q;
  }

  /** Products in the longest sum. */
  long products() {
    return groupChannels() * r * s;
  }

  /** Fills in what native kernels are told of sizes, strides and padding. */
  void describe(qt_window window) {
    window
        .n(n)
        .h(h)
        .w(w)
        .c(c)
        .p(p)
        .q(q)
        .kernel_h((int) r)
        .kernel_w((int) s)
        .stride_h(geometry.strideH())
        .stride_w(geometry.strideW())
        .pad_top(geometry.padTop())
        .pad_left(geometry.padLeft());
  }

  /** The same convolution of one image. */
  Convolution ofOneImage() {
    return new Convolution(1, c, h, w, k, r, s, p, q, geometry);
  }

  /**
   * A part of the work, several of which are all of it, one behind the other in memory: some of the
   * images, or some of the pixels where each is a product of its own.
   *
   * @param values of x and y together that a part should have at most; without parts of about that
   *     size it is the whole
   */
  Convolution part(long values) {
    if (r * s == 1 && geometry.equals(ConvGeometry.of(1, 0).withGroups(geometry.groups()))) {
      long pixels = divisor(n * h * w, values / (c + k));
      return new Convolution(1, c, 1, pixels, k, 1, 1, 1, pixels, geometry);
    }
    long images = divisor(n, values / (ofOneImage().inputs() + ofOneImage().outputs()));
    return new Convolution(images, c, h, w, k, r, s, p, q, geometry);
  }

  /** The largest divisor up to a limit, or the number itself if that is far below it. */
  private static long divisor(long number, long limit) {
    long divisor = Math.min(number, Math.max(limit, 1));
    while (number % divisor != 0) {
      divisor--;
    }
    return 4 * divisor < limit ? number : divisor;
  }

  /** The same convolution over this many input channels of each group. */
  Convolution withGroupChannels(long channels) {
    return new Convolution(n, channels * groups(), h, w, k, r, s, p, q, geometry);
  }

  private long[] weightDims() {
    return groups() == 1
        ? new long[] {k, c, r, s}
        : new long[] {groups(), k / groups(), groupChannels(), r, s};
  }

  private dnnl_memory_desc source(Dnnl.Making making, int type) {
    return making.desc(type, dnnl_nhwc, n, c, h, w);
  }

  private dnnl_memory_desc target(Dnnl.Making making, int type) {
    return making.desc(type, dnnl_nhwc, n, k, p, q);
  }

  /** Our order of the weights. */
  dnnl_memory_desc krsc(Dnnl.Making making, int type) {
    return making.desc(type, groups() == 1 ? dnnl_ohwi : dnnl_gohwi, weightDims());
  }

  /** Channels of these weights inside KRSC weights of {@code ofChannels} channels per group. */
  dnnl_memory_desc krscPart(Dnnl.Making making, int type, long ofChannels) {
    long[] strides =
        groups() == 1
            ? new long[] {r * s * ofChannels, 1, s * ofChannels, ofChannels}
            : new long[] {
              k / groups() * r * s * ofChannels, r * s * ofChannels, 1, s * ofChannels, ofChannels
            };
    return making.strided(type, weightDims(), strides);
  }

  private dnnl_memory_desc chosen(Dnnl.Making making, int type) {
    return making.any(type, weightDims());
  }

  private long[] strides() {
    return new long[] {geometry.strideH(), geometry.strideW()};
  }

  /** oneDNN counts the cells between two taps. */
  private long[] dilations() {
    return new long[] {geometry.dilationH() - 1, geometry.dilationW() - 1};
  }

  private long[] paddingBefore() {
    return new long[] {geometry.padTop(), geometry.padLeft()};
  }

  private long[] paddingAfter() {
    return new long[] {geometry.padBottom(), geometry.padRight()};
  }

  private dnnl_primitive_desc forward(
      Dnnl dnnl,
      Dnnl.Making making,
      int sourceType,
      int weightType,
      int targetType,
      dnnl_memory_desc bias,
      dnnl_primitive_attr attr) {
    dnnl_primitive_desc desc = new dnnl_primitive_desc();
    int status =
        dnnl_convolution_forward_primitive_desc_create(
            desc,
            dnnl.engine(),
            dnnl_forward_training,
            dnnl_convolution_direct,
            source(making, sourceType),
            chosen(making, weightType),
            bias,
            target(making, targetType),
            strides(),
            dilations(),
            paddingBefore(),
            paddingAfter(),
            attr);
    making.primitive(desc, status, "convolution");
    if (Dnnl.implementation(desc).equals(SLOW_DEPTHWISE)) {
      Dnnl.check(dnnl_primitive_desc_next_impl(desc), "next depthwise convolution");
    }
    return desc;
  }

  /**
   * Weights as they are given.
   *
   * @param ordering steps that bring them into the order in which oneDNN works on them
   */
  record Weights(dnnl_memory_desc desc, Scratch.Region region, Steps ordering) {
    private Dnnl.Arg in(Dnnl.Making making, dnnl_memory_desc wanted) {
      Scratch.Region ordered = making.ordered(ordering, desc, region, wanted);
      return new Dnnl.Arg(DNNL_ARG_WEIGHTS, wanted, ordered);
    }
  }

  /**
   * Adds y = conv(x, w) + bias, y and bias float32.
   *
   * @param type oneDNN type of x and of the weights that are worked on, f32 or bf16
   * @param w of any type that holds such values
   * @param bias null for none
   * @return the implementation's name
   * @throws Dnnl.Unimplemented before a step is added, if this processor has no products of the
   *     type; likewise below
   */
  String addForward(
      Dnnl dnnl,
      Dnnl.Making making,
      Steps steps,
      int type,
      Scratch.Region x,
      Weights w,
      Scratch.Region bias,
      Scratch.Region y) {
    dnnl_memory_desc biasDesc = bias == null ? null : making.desc(dnnl_f32, dnnl_a, k);
    dnnl_primitive_desc desc =
        forward(dnnl, making, type, type, dnnl_f32, biasDesc, making.attr());
    dnnl_memory_desc wanted = dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    Dnnl.Arg source = new Dnnl.Arg(DNNL_ARG_SRC, source(making, type), x);
    Dnnl.Arg filter = w.in(making, wanted);
    Dnnl.Arg target = new Dnnl.Arg(DNNL_ARG_DST, target(making, dnnl_f32), y);
    if (bias == null) {
      making.add(steps, desc, source, filter, target);
    } else {
      making.add(steps, desc, source, filter, target, new Dnnl.Arg(DNNL_ARG_BIAS, biasDesc, bias));
    }
    return Dnnl.implementation(desc);
  }

  /**
   * Adds acc = conv(x - zero-point, w), int32, on codes.
   *
   * <p>With a zero-point, and for signed x, oneDNN passes the sums through float32: they are exact
   * below 2^24 only.
   *
   * @param sourceType oneDNN type of x, u8 or s8
   * @param zeroPoint null for 0
   */
  String addInteger(
      Dnnl dnnl,
      Dnnl.Making making,
      Steps steps,
      int sourceType,
      Scratch.Region x,
      Scratch.Region zeroPoint,
      Weights w,
      Scratch.Region acc) {
    dnnl_primitive_attr attr = making.attr();
    if (zeroPoint != null) {
      Dnnl.check(dnnl_primitive_attr_set_zero_points_mask(attr, DNNL_ARG_SRC, 0), "zero-point");
    }
    dnnl_primitive_desc desc = forward(dnnl, making, sourceType, dnnl_s8, dnnl_s32, null, attr);
    dnnl_memory_desc wanted = dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    Dnnl.Arg source = new Dnnl.Arg(DNNL_ARG_SRC, source(making, sourceType), x);
    Dnnl.Arg filter = w.in(making, wanted);
    Dnnl.Arg target = new Dnnl.Arg(DNNL_ARG_DST, target(making, dnnl_s32), acc);
    if (zeroPoint == null) {
      making.add(steps, desc, source, filter, target);
    } else {
      dnnl_memory_desc one = making.desc(dnnl_s32, dnnl_a, 1);
      making.add(
          steps,
          desc,
          source,
          filter,
          target,
          new Dnnl.Arg(DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC, one, zeroPoint));
    }
    return Dnnl.implementation(desc);
  }

  /**
   * Adds dx = transposed convolution of dy with w, dx float32.
   *
   * @param type oneDNN type of dy and w, f32 or bf16
   */
  String addBackwardData(
      Dnnl dnnl,
      Dnnl.Making making,
      Steps steps,
      int type,
      Scratch.Region dy,
      Scratch.Region w,
      Scratch.Region dx) {
    dnnl_primitive_desc hint =
        forward(dnnl, making, type, type, type, null, making.attr());
    dnnl_primitive_desc desc = new dnnl_primitive_desc();
    int status =
        dnnl_convolution_backward_data_primitive_desc_create(
            desc,
            dnnl.engine(),
            dnnl_convolution_direct,
            source(making, dnnl_f32),
            chosen(making, type),
            target(making, type),
            strides(),
            dilations(),
            paddingBefore(),
            paddingAfter(),
            hint,
            making.attr());
    making.primitive(desc, status, "convolution, gradient of data");
    dnnl_memory_desc wanted = dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    making.add(
        steps,
        desc,
        new Dnnl.Arg(DNNL_ARG_DIFF_DST, target(making, type), dy),
        new Weights(krsc(making, type), w, steps).in(making, wanted),
        new Dnnl.Arg(DNNL_ARG_DIFF_SRC, source(making, dnnl_f32), dx));
    return Dnnl.implementation(desc);
  }

  /**
   * Adds dw = correlation of x with dy, dw float32.
   *
   * @param type oneDNN type of x and dy, f32 or bf16
   */
  String addBackwardWeights(
      Dnnl dnnl,
      Dnnl.Making making,
      Steps steps,
      int type,
      Scratch.Region x,
      Scratch.Region dy,
      Scratch.Region dw) {
    dnnl_primitive_desc hint =
        forward(dnnl, making, type, type, type, null, making.attr());
    dnnl_primitive_desc desc = new dnnl_primitive_desc();
    int status =
        dnnl_convolution_backward_weights_primitive_desc_create(
            desc,
            dnnl.engine(),
            dnnl_convolution_direct,
            source(making, type),
            chosen(making, dnnl_f32),
            null,
            target(making, type),
            strides(),
            dilations(),
            paddingBefore(),
            paddingAfter(),
            hint,
            making.attr());
    making.primitive(desc, status, "convolution, gradient of weights");
    dnnl_memory_desc ours = krsc(making, dnnl_f32);
    dnnl_memory_desc wanted = dnnl_primitive_desc_query_md(desc, dnnl_query_diff_weights_md, 0);
    boolean same = dnnl_memory_desc_equal(ours, wanted) != 0;
    Scratch.Region result = same ? dw : steps.scratch().region(dnnl_memory_desc_get_size(wanted));
    making.add(
        steps,
        desc,
        new Dnnl.Arg(DNNL_ARG_SRC, source(making, type), x),
        new Dnnl.Arg(DNNL_ARG_DIFF_DST, target(making, type), dy),
        new Dnnl.Arg(DNNL_ARG_DIFF_WEIGHTS, wanted, result));
    if (!same) {
      making.addReorder(steps, wanted, result, ours, dw);
    }
    return Dnnl.implementation(desc);
  }
}
