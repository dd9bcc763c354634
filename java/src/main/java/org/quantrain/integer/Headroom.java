package org.quantrain.integer;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.quant.AccumulatorBound;
import org.quantrain.tensor.HostTensor;

/** Collects {@link LayerHeadroom} batch by batch. */
final class Headroom {
  private final IntegerModel model;

  /** Codes and, of them, saturated ones, by tensor. */
  private final Map<String, long[]> counts = new HashMap<>();

  Headroom(IntegerModel model) {
    this.model = model;
  }

  /** Counts the codes of a batch's first rows. */
  void add(Map<String, HostTensor> codes, int rows) {
    for (IntegerLayer layer : model.layers()) {
      if (layer instanceof IntegerLayer.Conv conv) {
        count(conv.y(), codes.get(layer.name()), rows);
      } else if (layer instanceof IntegerLayer.Linear linear) {
        count(linear.y(), codes.get(layer.name()), rows);
      }
    }
  }

  private void count(CodesTensor tensor, HostTensor codes, int rows) {
    // The same in signed and unsigned bytes; where an end stands for zero, the other one twice.
    int zero = tensor.zeroPoint();
    byte low = (byte) (tensor.qmin() == zero ? tensor.qmax() : tensor.qmin());
    byte high = (byte) (tensor.qmax() == zero ? tensor.qmin() : tensor.qmax());
    byte[] bytes = codes.buffer().array();
    int length = rows * (int) codes.shape().elementsPerSample();
    int saturated = 0;
    for (int i = 0; i < length; i++) {
      saturated += bytes[i] == low || bytes[i] == high ? 1 : 0;
    }
    long[] count = counts.computeIfAbsent(tensor.name(), n -> new long[2]);
    count[0] += length;
    count[1] += saturated;
  }

  /**
   * @param largestSums of {@link CodesSource#largestSums}
   */
  List<LayerHeadroom> layers(Map<String, Long> largestSums) {
    List<LayerHeadroom> found = new ArrayList<>();
    for (IntegerLayer layer : model.layers()) {
      if (layer instanceof IntegerLayer.Conv conv) {
        add(found, layer, conv.x(), conv.w(), largestSums);
      } else if (layer instanceof IntegerLayer.Linear linear) {
        add(found, layer, linear.x(), linear.w(), largestSums);
      } else if (layer instanceof IntegerLayer.Logits logits) {
        add(found, layer, logits.x(), logits.w(), largestSums);
      }
    }
    return found;
  }

  private void add(
      List<LayerHeadroom> found,
      IntegerLayer layer,
      CodesTensor x,
      IntegerWeights w,
      Map<String, Long> largestSums) {
    Long largest = largestSums.get(layer.name());
    if (largest == null) {
      return;
    }
    int input = AccumulatorBound.largestInput(x.zeroPoint(), x.qmin(), x.qmax());
    long bound = AccumulatorBound.largest(w.codes(), input, w.bias().ints());
    long[] count = counts.getOrDefault(layer.name(), new long[2]);
    found.add(new LayerHeadroom(w.layer(), largest, bound, count[0], count[1]));
  }
}
