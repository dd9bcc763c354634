package org.quantrain.backend.shared;

import java.util.Map;
import org.quantrain.graph.Op;
import org.quantrain.op.AccRange;
import org.quantrain.op.AccStats;
import org.quantrain.op.Add;
import org.quantrain.op.AddCodes;
import org.quantrain.op.AddCodesRange;
import org.quantrain.op.AllReduce;
import org.quantrain.op.AveragePool;
import org.quantrain.op.AveragePoolBackward;
import org.quantrain.op.AveragePoolCodes;
import org.quantrain.op.AveragePoolOnGrid;
import org.quantrain.op.AverageState;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.BatchNormAbsorb;
import org.quantrain.op.BatchNormAbsorbBackward;
import org.quantrain.op.BatchNormBackward;
import org.quantrain.op.BatchNormStats;
import org.quantrain.op.BatchNormStatsBackward;
import org.quantrain.op.Binary;
import org.quantrain.op.ChannelMoments;
import org.quantrain.op.ChannelSum;
import org.quantrain.op.CodesToBf16;
import org.quantrain.op.Concat;
import org.quantrain.op.ConcatCodes;
import org.quantrain.op.ConvBnCorrect;
import org.quantrain.op.ConvBnCorrectBackward;
import org.quantrain.op.ConvBnFold;
import org.quantrain.op.ConvBnFoldBackward;
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
import org.quantrain.op.LearnedAccBackward;
import org.quantrain.op.LearnedAddBackward;
import org.quantrain.op.LearnedGrid;
import org.quantrain.op.LearnedGridBackward;
import org.quantrain.op.LearnedQParams;
import org.quantrain.op.MaxPool;
import org.quantrain.op.MaxPoolBackward;
import org.quantrain.op.MinMax;
import org.quantrain.op.MoveBatchNorm;
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
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Kernel;

/** Which of our native kernels an operation is. Products are the backends' own. */
public final class SharedKernels {
  /** Makes the kernel of one operation. */
  @FunctionalInterface
  private interface Factory {
    Kernel create(NativeContext context, Binding binding);
  }

  private static final Map<Class<? extends Op>, Factory> KERNELS =
      Map.ofEntries(
          Map.entry(AccRange.class, AccumulatorKernels::accRange),
          Map.entry(AccStats.class, AccumulatorKernels::accStats),
          Map.entry(Add.class, LayerKernels::add),
          Map.entry(AddCodes.class, CodeKernels::addCodes),
          Map.entry(AddCodesRange.class, CodeKernels::addCodesRange),
          Map.entry(AllReduce.class, CollectiveKernels::allReduce),
          Map.entry(AveragePool.class, LayerKernels::averagePool),
          Map.entry(AveragePoolBackward.class, LayerKernels::averagePoolBackward),
          Map.entry(AveragePoolCodes.class, CodeKernels::averagePoolCodes),
          Map.entry(AveragePoolOnGrid.class, CodeKernels::averagePoolOnGrid),
          Map.entry(AverageState.class, CollectiveKernels::averageState),
          Map.entry(BatchNorm.class, LayerKernels::batchNorm),
          Map.entry(BatchNormAbsorb.class, AccumulatorKernels::batchNormAbsorb),
          Map.entry(BatchNormAbsorbBackward.class, AccumulatorKernels::batchNormAbsorbBackward),
          Map.entry(BatchNormBackward.class, LayerKernels::batchNormBackward),
          Map.entry(BatchNormStats.class, LayerKernels::batchNormStats),
          Map.entry(BatchNormStatsBackward.class, LayerKernels::batchNormStatsBackward),
          Map.entry(Binary.class, ElementwiseKernels::binary),
          Map.entry(ChannelMoments.class, LayerKernels::channelMoments),
          Map.entry(ChannelSum.class, LayerKernels::channelSum),
          Map.entry(CodesToBf16.class, CodeKernels::codesToBf16),
          Map.entry(Concat.class, MovementKernels::concat),
          Map.entry(ConcatCodes.class, ConcatKernels::concatCodes),
          Map.entry(ConvBnCorrect.class, AccumulatorKernels::convBnCorrect),
          Map.entry(ConvBnCorrectBackward.class, AccumulatorKernels::convBnCorrectBackward),
          Map.entry(ConvBnFold.class, AccumulatorKernels::convBnFold),
          Map.entry(ConvBnFoldBackward.class, AccumulatorKernels::convBnFoldBackward),
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
          Map.entry(LearnedAccBackward.class, LearnedKernels::accBackward),
          Map.entry(LearnedAddBackward.class, LearnedKernels::addBackward),
          Map.entry(LearnedGridBackward.class, LearnedKernels::gridBackward),
          Map.entry(LearnedQParams.class, LearnedKernels::qparams),
          Map.entry(MaxPool.class, LayerKernels::maxPool),
          Map.entry(MaxPoolBackward.class, LayerKernels::maxPoolBackward),
          Map.entry(MinMax.class, CodeKernels::minMax),
          Map.entry(MoveBatchNorm.class, LayerKernels::moveBatchNorm),
          Map.entry(MseRange.class, LearnedKernels::mseRange),
          Map.entry(Multiplier.class, AccumulatorKernels::multiplier),
          Map.entry(PRelu.class, ElementwiseKernels::pRelu),
          Map.entry(PReluBackward.class, ElementwiseKernels::pReluBackward),
          Map.entry(Pad.class, MovementKernels::pad),
          Map.entry(PadCodes.class, MovementKernels::padCodes),
          Map.entry(PoolMultiplier.class, AccumulatorKernels::poolMultiplier),
          Map.entry(ProductScale.class, AccumulatorKernels::productScale),
          Map.entry(Quantize.class, CodeKernels::quantize),
          Map.entry(QuantizeWeight.class, CodeKernels::quantizeWeight),
          Map.entry(RangeToQParams.class, CodeKernels::rangeToQParams),
          Map.entry(Reduce.class, RowKernels::reduce),
          Map.entry(Relu.class, LayerKernels::relu),
          Map.entry(ReluBackward.class, LayerKernels::reluBackward),
          Map.entry(Requantize.class, AccumulatorKernels::requantize),
          Map.entry(RequantizeCodes.class, CodeKernels::requantizeCodes),
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
          Map.entry(TimesRatio.class, ElementwiseKernels::timesRatio),
          Map.entry(TimesSign.class, CodeKernels::timesSign),
          Map.entry(ToBf16.class, ElementwiseKernels::toBf16),
          Map.entry(ToFloat.class, ElementwiseKernels::toFloat),
          Map.entry(Transpose.class, MovementKernels::transpose),
          Map.entry(Unary.class, ElementwiseKernels::unary),
          Map.entry(UnaryBackward.class, ElementwiseKernels::unaryBackward),
          Map.entry(Unflatten.class, LayerKernels::unflatten),
          Map.entry(UpdateQParams.class, CodeKernels::updateQParams),
          Map.entry(Where.class, ElementwiseKernels::where));

  private SharedKernels() {}

  public static boolean have(Op op) {
    return KERNELS.containsKey(op.getClass());
  }

  /**
   * @param binding of an operation that {@link #have} knows
   */
  public static Kernel prepare(NativeContext context, Binding binding) {
    return KERNELS.get(binding.node().op().getClass()).create(context, binding);
  }
}
