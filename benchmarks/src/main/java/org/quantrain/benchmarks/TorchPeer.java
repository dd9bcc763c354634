package org.quantrain.benchmarks;

import java.util.function.LongFunction;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.CompilationUnit;
import org.bytedeco.pytorch.Function;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.QualifiedName;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * What libtorch has for a kernel: the same work on as many elements, per channel with 64 channels.
 * Outputs are allocated before where libtorch takes them; the operators without such a form
 * (fused_moving_avg_obs, the learnable variants and their backward, the mask's backward) allocate theirs.
 */
enum TorchPeer {
  FAKE_QUANT(
      "fake_quant: per tensor, s8",
      "fake_quantize_per_tensor_affine_cachemask.out",
      n -> {
        Tensor x = random(n);
        Tensor y = torch.empty_like(x);
        Tensor mask = torch.empty_like(x, options(torch.ScalarType.Bool), memoryFormat());
        return () ->
            torch
                .fake_quantize_per_tensor_affine_cachemask_outf(x, 0.0173, 0, -127, 127, y, mask)
                .close();
      }),
  FAKE_QUANT_CHANNELS_FIRST(
      "fake_quant: 64 channels first, s8",
      "fake_quantize_per_channel_affine_cachemask.out, axis 0",
      n -> perChannel(n, true)),
  FAKE_QUANT_CHANNELS_LAST(
      "fake_quant: 64 channels last, s8",
      "fake_quantize_per_channel_affine_cachemask.out, axis 1",
      n -> perChannel(n, false)),
  STE_BACKWARD(
      "ste_backward: masked",
      "fake_quantize_per_tensor_affine_cachemask_backward",
      n -> {
        Tensor dy = random(n);
        Tensor mask = torch.gt(dy, new org.bytedeco.pytorch.Scalar(0.5));
        return () -> torch.fake_quantize_per_tensor_affine_cachemask_backward(dy, mask).close();
      }),
  OBSERVE_FAKE_QUANT(
      "observe_fake_quant: per tensor, delayed",
      "fused_moving_avg_obs_fake_quant",
      n -> observe(n, false)),
  OBSERVE_FAKE_QUANT_EXACT(
      "observe_fake_quant: per tensor, exact",
      "fused_moving_avg_obs_fake_quant",
      n -> observe(n, false)),
  OBSERVE_FAKE_QUANT_CHANNELS(
      "observe_fake_quant: 64 channels first, delayed",
      "fused_moving_avg_obs_fake_quant, per row",
      n -> observe(n, true)),
  LEARNABLE(
      "fake_quant: per tensor, s8, no mask",
      "_fake_quantize_learnable_per_tensor_affine",
      n ->
          learnable(
              new long[] {n},
              1,
              "torch._fake_quantize_learnable_per_tensor_affine(x, s, z, -127, 127, 1.0)")),
  LEARNABLE_CHANNELS(
      "fake_quant: 64 channels first, s8, no mask",
      "_fake_quantize_learnable_per_channel_affine, axis 0",
      n ->
          learnable(
              new long[] {64, n / 64},
              64,
              "torch._fake_quantize_learnable_per_channel_affine(x, s, z, 0, -127, 127, 1.0)")),
  LSQ_BACKWARD(
      "lsq_backward: per tensor, s4",
      "_fake_quantize_learnable_per_tensor_affine_backward",
      n ->
          learnable(
              new long[] {n},
              1,
              "torch._fake_quantize_learnable_per_tensor_affine_backward("
                  + "g, x, s, z, -7, 7, 1.0)")),
  LSQ_BACKWARD_CHANNELS_FIRST(
      "lsq_backward: 64 channels first, s4",
      "_fake_quantize_learnable_per_channel_affine_backward, axis 0",
      n -> learnable(new long[] {64, n / 64}, 64, channelsBackward(0))),
  LSQ_BACKWARD_CHANNELS_LAST(
      "lsq_backward: 64 channels last, s4",
      "_fake_quantize_learnable_per_channel_affine_backward, axis 1",
      n -> learnable(new long[] {n / 64, 64}, 64, channelsBackward(1)));

  /** The case of ours, and libtorch's operator. */
  final String kernel;

  final String operator;
  private final LongFunction<Runnable> open;

  TorchPeer(String kernel, String operator, LongFunction<Runnable> open) {
    this.kernel = kernel;
    this.operator = operator;
    this.open = open;
  }

  /** The peer of a case, or null. */
  static TorchPeer of(String kernel) {
    for (TorchPeer peer : values()) {
      if (peer.kernel.equals(kernel)) {
        return peer;
      }
    }
    return null;
  }

  /** Prepares {@code elements} elements; each run is one call of the operator. */
  Runnable open(long elements, int threads) {
    torch.set_num_threads(threads);
    Runnable call = open.apply(elements);
    return () -> {
      PointerScope scope = new PointerScope();
      call.run();
      scope.close(); // the tensors that the call made
    };
  }

  private static Runnable perChannel(long n, boolean channelsFirst) {
    long[] shape = channelsFirst ? new long[] {64, n / 64} : new long[] {n / 64, 64};
    Tensor x = torch.randn(shape);
    Tensor scale = torch.full(new long[] {64}, new org.bytedeco.pytorch.Scalar(0.0173));
    Tensor zero = torch.zeros(new long[] {64}, options(torch.ScalarType.Int));
    Tensor y = torch.empty_like(x);
    Tensor mask = torch.empty_like(x, options(torch.ScalarType.Bool), memoryFormat());
    int axis = channelsFirst ? 0 : 1;
    return () ->
        torch
            .fake_quantize_per_channel_affine_cachemask_outf(
                x, scale, zero, axis, -127, 127, y, mask)
            .close();
  }

  private static Runnable observe(long n, boolean perRow) {
    Tensor x = perRow ? torch.randn(64, n / 64) : random(n);
    long[] one = perRow ? new long[] {64} : new long[] {1};
    Tensor on = torch.ones(new long[] {1}, options(torch.ScalarType.Long));
    Tensor min = torch.zeros(one);
    Tensor max = torch.ones(one);
    Tensor scale = torch.ones(one);
    Tensor zero = torch.zeros(one, options(torch.ScalarType.Int));
    return () ->
        torch
            .fused_moving_avg_obs_fake_quant(
                x, on, on, min, max, scale, zero, 0.01, -127, 127, 0, perRow, true)
            .close();
  }

  private static String channelsBackward(int axis) {
    return "torch._fake_quantize_learnable_per_channel_affine_backward("
        + ("g, x, s, z, " + axis + ", -7, 7, 1.0)");
  }

  private static Runnable learnable(long[] shape, long channels, String call) {
    Tensor x = torch.randn(shape);
    Tensor g = torch.randn_like(x);
    Tensor scale = torch.full(new long[] {channels}, new org.bytedeco.pytorch.Scalar(0.25));
    Tensor zero = torch.zeros(channels);
    // Operators whose names begin with _ have no binding of their own.
    CompilationUnit unit = new CompilationUnit("def f(g, x, s, z):\n  return " + call + "\n");
    Function f = unit.get_function(new QualifiedName("f"));
    IValue[] arguments = {new IValue(g), new IValue(x), new IValue(scale), new IValue(zero)};
    return () -> f.apply(new IValueVector(arguments)).close();
  }

  private static Tensor random(long n) {
    return torch.randn(n);
  }

  private static org.bytedeco.pytorch.TensorOptions options(torch.ScalarType type) {
    return new org.bytedeco.pytorch.TensorOptions(type);
  }

  private static org.bytedeco.pytorch.MemoryFormatOptional memoryFormat() {
    return new org.bytedeco.pytorch.MemoryFormatOptional();
  }
}
