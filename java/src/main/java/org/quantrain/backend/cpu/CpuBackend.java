package org.quantrain.backend.cpu;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_add_args;
import org.quantrain.internal.bind.qt_sgd_args;
import org.quantrain.internal.bind.qt_unary_args;
import org.quantrain.op.AccRange;
import org.quantrain.op.AccStats;
import org.quantrain.op.Add;
import org.quantrain.op.AddCodes;
import org.quantrain.op.AddCodesRange;
import org.quantrain.op.AveragePool;
import org.quantrain.op.AveragePoolBackward;
import org.quantrain.op.AveragePoolCodes;
import org.quantrain.op.AveragePoolOnGrid;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.BatchNormAbsorb;
import org.quantrain.op.BatchNormAbsorbBackward;
import org.quantrain.op.BatchNormBackward;
import org.quantrain.op.BatchNormStats;
import org.quantrain.op.BatchNormStatsBackward;
import org.quantrain.op.Binary;
import org.quantrain.op.ChannelSum;
import org.quantrain.op.CodesToBf16;
import org.quantrain.op.Concat;
import org.quantrain.op.ConcatCodes;
import org.quantrain.op.Conv2d;
import org.quantrain.op.Conv2dBackwardData;
import org.quantrain.op.Conv2dBackwardWeights;
import org.quantrain.op.ConvBnCorrect;
import org.quantrain.op.ConvBnCorrectBackward;
import org.quantrain.op.ConvBnFold;
import org.quantrain.op.ConvBnFoldBackward;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.ConvRequantize;
import org.quantrain.op.ConvTranspose2d;
import org.quantrain.op.Dequantize;
import org.quantrain.op.DequantizeAcc;
import org.quantrain.op.Expand;
import org.quantrain.op.FixedMultiplier;
import org.quantrain.op.Flatten;
import org.quantrain.op.FoldWeight;
import org.quantrain.op.FoldWeightBackward;
import org.quantrain.op.Gather;
import org.quantrain.op.GatherBackward;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.GlobalAveragePoolBackward;
import org.quantrain.op.GlobalPoolSum;
import org.quantrain.op.Histogram;
import org.quantrain.op.LayerNorm;
import org.quantrain.op.LayerNormBackward;
import org.quantrain.op.LearnedGrid;
import org.quantrain.op.LearnedGridBackward;
import org.quantrain.op.LearnedQParams;
import org.quantrain.op.Linear;
import org.quantrain.op.LinearBackwardData;
import org.quantrain.op.LinearBackwardWeights;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.MatMul;
import org.quantrain.op.MatMulCodes;
import org.quantrain.op.MaxPool;
import org.quantrain.op.MaxPoolBackward;
import org.quantrain.op.MinMax;
import org.quantrain.op.MseRange;
import org.quantrain.op.Multiplier;
import org.quantrain.op.PRelu;
import org.quantrain.op.PReluBackward;
import org.quantrain.op.Pad;
import org.quantrain.op.PadCodes;
import org.quantrain.op.PoolMultiplier;
import org.quantrain.op.ProductScale;
import org.quantrain.op.Quantize;
import org.quantrain.op.QuantizeWeight;
import org.quantrain.op.RangeToQParams;
import org.quantrain.op.Reduce;
import org.quantrain.op.Relu;
import org.quantrain.op.ReluBackward;
import org.quantrain.op.Requantize;
import org.quantrain.op.RequantizeCodes;
import org.quantrain.op.RequantizeFixed;
import org.quantrain.op.Reshape;
import org.quantrain.op.Resize;
import org.quantrain.op.ResizeBackward;
import org.quantrain.op.Slice;
import org.quantrain.op.SliceBackward;
import org.quantrain.op.Softmax;
import org.quantrain.op.SoftmaxBackward;
import org.quantrain.op.SoftmaxCrossEntropy;
import org.quantrain.op.SteBackward;
import org.quantrain.op.SumTo;
import org.quantrain.op.TimesRatio;
import org.quantrain.op.TimesSign;
import org.quantrain.op.ToBf16;
import org.quantrain.op.ToFloat;
import org.quantrain.op.Transpose;
import org.quantrain.op.Unary;
import org.quantrain.op.UnaryBackward;
import org.quantrain.op.Unflatten;
import org.quantrain.op.UpdateQParams;
import org.quantrain.op.Where;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.GradientMean;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Memory;
import org.quantrain.runtime.Sgd;
import org.quantrain.tensor.TensorSpec;

/**
 * The CPU: our native kernels and oneDNN. Everything runs on the calling thread and the OpenMP
 * threads behind it, so a backend must be used from the one thread that opened it.
 */
public final class CpuBackend implements Backend {
  /** Makes the kernel of one operation. */
  @FunctionalInterface
  private interface KernelFactory {
    Kernel create(Cpu cpu, Binding binding);
  }

  private static final Map<Class<? extends Op>, KernelFactory> KERNELS =
      Map.ofEntries(
          Map.entry(AccRange.class, AccumulatorKernels::accRange),
          Map.entry(AccStats.class, AccumulatorKernels::accStats),
          Map.entry(Add.class, LayerKernels::add),
          Map.entry(AddCodes.class, CodeKernels::addCodes),
          Map.entry(AddCodesRange.class, CodeKernels::addCodesRange),
          Map.entry(AveragePool.class, LayerKernels::averagePool),
          Map.entry(AveragePoolBackward.class, LayerKernels::averagePoolBackward),
          Map.entry(AveragePoolCodes.class, CodeKernels::averagePoolCodes),
          Map.entry(AveragePoolOnGrid.class, CodeKernels::averagePoolOnGrid),
          Map.entry(BatchNorm.class, LayerKernels::batchNorm),
          Map.entry(BatchNormAbsorb.class, AccumulatorKernels::batchNormAbsorb),
          Map.entry(BatchNormAbsorbBackward.class, AccumulatorKernels::batchNormAbsorbBackward),
          Map.entry(BatchNormBackward.class, LayerKernels::batchNormBackward),
          Map.entry(BatchNormStats.class, LayerKernels::batchNormStats),
          Map.entry(BatchNormStatsBackward.class, LayerKernels::batchNormStatsBackward),
          Map.entry(Binary.class, ElementwiseKernels::binary),
          Map.entry(ChannelSum.class, LayerKernels::channelSum),
          Map.entry(CodesToBf16.class, CodeKernels::codesToBf16),
          Map.entry(Concat.class, MovementKernels::concat),
          Map.entry(ConcatCodes.class, ConcatKernels::concatCodes),
          Map.entry(Conv2d.class, ProductKernels::conv2d),
          Map.entry(Conv2dBackwardData.class, ProductKernels::conv2dBackwardData),
          Map.entry(Conv2dBackwardWeights.class, ProductKernels::conv2dBackwardWeights),
          Map.entry(ConvBnCorrect.class, AccumulatorKernels::convBnCorrect),
          Map.entry(ConvBnCorrectBackward.class, AccumulatorKernels::convBnCorrectBackward),
          Map.entry(ConvBnFold.class, AccumulatorKernels::convBnFold),
          Map.entry(ConvBnFoldBackward.class, AccumulatorKernels::convBnFoldBackward),
          Map.entry(ConvCodes.class, CodeProducts::conv),
          Map.entry(ConvRequantize.class, CodeProducts::convRequantize),
          Map.entry(ConvTranspose2d.class, ProductKernels::convTranspose2d),
          Map.entry(Dequantize.class, CodeKernels::dequantize),
          Map.entry(DequantizeAcc.class, AccumulatorKernels::dequantizeAcc),
          Map.entry(Expand.class, MovementKernels::expand),
          Map.entry(FixedMultiplier.class, AccumulatorKernels::fixedMultiplier),
          Map.entry(Flatten.class, LayerKernels::flatten),
          Map.entry(FoldWeight.class, AccumulatorKernels::foldWeight),
          Map.entry(FoldWeightBackward.class, AccumulatorKernels::foldWeightBackward),
          Map.entry(Gather.class, MovementKernels::gather),
          Map.entry(GatherBackward.class, MovementKernels::gatherBackward),
          Map.entry(GlobalAveragePool.class, LayerKernels::globalAveragePool),
          Map.entry(GlobalAveragePoolBackward.class, LayerKernels::globalAveragePoolBackward),
          Map.entry(GlobalPoolSum.class, CodeKernels::globalPoolSum),
          Map.entry(Histogram.class, CodeKernels::histogram),
          Map.entry(LayerNorm.class, RowKernels::layerNorm),
          Map.entry(LayerNormBackward.class, RowKernels::layerNormBackward),
          Map.entry(LearnedGrid.class, LearnedKernels::grid),
          Map.entry(LearnedGridBackward.class, LearnedKernels::gridBackward),
          Map.entry(LearnedQParams.class, LearnedKernels::qparams),
          Map.entry(Linear.class, ProductKernels::linear),
          Map.entry(LinearBackwardData.class, ProductKernels::linearBackwardData),
          Map.entry(LinearBackwardWeights.class, ProductKernels::linearBackwardWeights),
          Map.entry(LinearCodes.class, CodeProducts::linear),
          Map.entry(MatMul.class, MatMulKernel::create),
          Map.entry(MatMulCodes.class, CodeMatMul::create),
          Map.entry(MaxPool.class, LayerKernels::maxPool),
          Map.entry(MaxPoolBackward.class, LayerKernels::maxPoolBackward),
          Map.entry(MinMax.class, CodeKernels::minMax),
          Map.entry(RangeToQParams.class, CodeKernels::rangeToQParams),
          Map.entry(MseRange.class, LearnedKernels::mseRange),
          Map.entry(Multiplier.class, AccumulatorKernels::multiplier),
          Map.entry(PRelu.class, ElementwiseKernels::pRelu),
          Map.entry(PReluBackward.class, ElementwiseKernels::pReluBackward),
          Map.entry(Pad.class, MovementKernels::pad),
          Map.entry(PoolMultiplier.class, AccumulatorKernels::poolMultiplier),
          Map.entry(ProductScale.class, AccumulatorKernels::productScale),
          Map.entry(Quantize.class, CodeKernels::quantize),
          Map.entry(QuantizeWeight.class, CodeKernels::quantizeWeight),
          Map.entry(Reduce.class, RowKernels::reduce),
          Map.entry(Relu.class, LayerKernels::relu),
          Map.entry(ReluBackward.class, LayerKernels::reluBackward),
          Map.entry(Requantize.class, AccumulatorKernels::requantize),
          Map.entry(RequantizeCodes.class, CodeKernels::requantizeCodes),
          Map.entry(PadCodes.class, MovementKernels::padCodes),
          Map.entry(RequantizeFixed.class, AccumulatorKernels::requantizeFixed),
          Map.entry(Reshape.class, MovementKernels::reshape),
          Map.entry(Resize.class, ResizeKernels::resize),
          Map.entry(ResizeBackward.class, ResizeKernels::resizeBackward),
          Map.entry(Slice.class, MovementKernels::slice),
          Map.entry(SliceBackward.class, MovementKernels::sliceBackward),
          Map.entry(Softmax.class, RowKernels::softmax),
          Map.entry(SoftmaxBackward.class, RowKernels::softmaxBackward),
          Map.entry(SoftmaxCrossEntropy.class, LayerKernels::softmaxCrossEntropy),
          Map.entry(SteBackward.class, CodeKernels::steBackward),
          Map.entry(SumTo.class, RowKernels::sumTo),
          Map.entry(TimesSign.class, CodeKernels::timesSign),
          Map.entry(TimesRatio.class, ElementwiseKernels::timesRatio),
          Map.entry(ToFloat.class, ElementwiseKernels::toFloat),
          Map.entry(ToBf16.class, ElementwiseKernels::toBf16),
          Map.entry(Transpose.class, MovementKernels::transpose),
          Map.entry(Unary.class, ElementwiseKernels::unary),
          Map.entry(UnaryBackward.class, ElementwiseKernels::unaryBackward),
          Map.entry(Unflatten.class, LayerKernels::unflatten),
          Map.entry(UpdateQParams.class, CodeKernels::updateQParams),
          Map.entry(Where.class, ElementwiseKernels::where));

  private final Cpu cpu;

  private CpuBackend(int threads, String isa) {
    cpu = new Cpu(threads, isa);
  }

  /**
   * The CPU with one thread per core, or OMP_NUM_THREADS.
   *
   * @throws org.quantrain.runtime.QuantrainException if the native libraries do not load here
   */
  public static CpuBackend open() {
    return new CpuBackend(0, null);
  }

  /** The CPU with this many threads, 1 to 1024, for our own kernels and oneDNN. */
  public static CpuBackend open(int threads) {
    if (threads < 1 || threads > 1024) {
      throw new IllegalArgumentException("threads: expected 1 to 1024, got " + threads);
    }
    return new CpuBackend(threads, null);
  }

  /**
   * The CPU with our own kernels compiled for a given instruction set, to compare or to time them.
   *
   * @param isa "baseline", "avx2" or "avx512"
   * @throws org.quantrain.runtime.QuantrainException if this processor or build has no such kernels
   */
  public static CpuBackend openWith(String isa) {
    return new CpuBackend(0, isa);
  }

  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public String description() {
    return "cpu: " + cpu.description();
  }

  @Override
  public Memory allocate(long bytes) {
    return new NativeMemory(bytes);
  }

  @Override
  public Optional<String> unsupported(
      Node node, List<TensorSpec> inputs, List<TensorSpec> outputs) {
    if (!KERNELS.containsKey(node.op().getClass())) {
      return Optional.of("there is no CPU kernel for this operation");
    }
    return node.op() instanceof ConvRequantize && !CodeProducts.takesInOne(node)
        ? Optional.of("its convolution and its requantization must be two nodes")
        : Optional.empty();
  }

  @Override
  public boolean prefers(Node fused) {
    return fused.op() instanceof ConvRequantize
        && cpu.pairsIntegers()
        && CodeProducts.takesInOne(fused);
  }

  @Override
  public void enter() {
    cpu.enter();
  }

  @Override
  public Kernel prepare(Binding binding) {
    enter();
    KernelFactory factory = KERNELS.get(binding.node().op().getClass());
    if (factory == null) {
      throw binding.failure("there is no CPU kernel for this operation");
    }
    return factory.create(cpu, binding);
  }

  @Override
  public Kernel prepare(GradientMean.Launch launch) {
    Pointer gradient = At.any(launch.gradient());
    Pointer target = launch.last() ? gradient : At.any(launch.sum());
    Steps steps = new Steps(null);
    steps.add(
        cpu.call(
            null,
            new qt_add_args()
                .a(At.any(launch.sum()))
                .b(gradient)
                .y(target)
                .n(launch.elements()),
            QuantrainNative::qt_add));
    if (launch.last()) {
      steps.add(
          cpu.call(
              null,
              new qt_unary_args()
                  .x(gradient)
                  .y(gradient)
                  .n(launch.elements())
                  .kind(QuantrainNative.QT_UNARY_AFFINE)
                  .alpha(1f / launch.parts()),
              QuantrainNative::qt_unary));
    }
    return steps;
  }

  @Override
  public Kernel prepare(Sgd.Launch launch) {
    long[] ends = launch.segmentEnd().stream().mapToLong(Long::longValue).toArray();
    float[] decays = new float[ends.length];
    for (int i = 0; i < decays.length; i++) {
      decays[i] = launch.segmentDecay().get(i);
    }
    LongPointer segmentEnd = new LongPointer(ends);
    FloatPointer segmentDecay = new FloatPointer(decays);
    Steps.Step step =
        cpu.call(
            null,
            new qt_sgd_args()
                .param(At.floats(launch.param()))
                .grad(At.floats(launch.gradient()))
                .velocity(At.floats(launch.velocity()))
                .learning_rate(At.floats(launch.learningRate()))
                .segment_end(segmentEnd)
                .segment_decay(segmentDecay)
                .n(launch.elements())
                .segments(ends.length)
                .momentum(launch.options().momentum())
                .nesterov(launch.options().nesterov() ? 1 : 0),
            QuantrainNative::qt_sgd);
    return new Steps(null)
        .add(
            new Steps.Step() {
              @Override
              public void run() {
                step.run();
              }

              @Override
              public void close() {
                step.close();
                segmentEnd.close();
                segmentDecay.close();
              }
            });
  }

  @Override
  public void close() {
    cpu.close();
  }
}
