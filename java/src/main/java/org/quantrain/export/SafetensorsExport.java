package org.quantrain.export;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.quantrain.integer.CodesTensor;
import org.quantrain.integer.IntegerLayer;
import org.quantrain.integer.IntegerWeights;
import org.quantrain.onnx.MemoryOrder;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.train.Safetensors;

/**
 * All integers of the model and what they mean: for each layer {@code NAME.weight} (I8, [K, C, R,
 * S] or [O, I], row-major), {@code NAME.weight_scale} (F32 [K]) and {@code NAME.bias} (I32 [K], at
 * the scale of input times weights); for each tensor of codes {@code NAME.scale} (F32 [1]) and
 * {@code NAME.zero_point} (I32 [1]), and of rows picked from a table {@code NAME.table} (U8 or I8
 * [rows, ...], on that grid). The metadata hold those of the file, and the bits of every
 * tensor as {@code bits.NAME}.
 */
final class SafetensorsExport implements ExportFormat {
  @Override
  public String id() {
    return "safetensors";
  }

  @Override
  public String description() {
    return "integer weights, biases, scales and zero-points as safetensors";
  }

  @Override
  public String extension() {
    return ".safetensors";
  }

  @Override
  public byte[] toBytes(DeployedModel deployed) throws IOException {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    Map<String, String> metadata = new LinkedHashMap<>(deployed.model().metadata());
    for (IntegerWeights w : deployed.model().weights()) {
      String weight = w.layer() + ".weight";
      put(deployed, tensors, weight, rowMajor(w.codes()));
      put(deployed, tensors, w.layer() + ".weight_scale", w.scale());
      put(deployed, tensors, w.layer() + ".bias", w.bias());
      metadata.put("bits." + weight, Integer.toString(w.bits()));
    }
    for (IntegerLayer layer : deployed.model().layers()) {
      if (layer instanceof IntegerLayer.Lookup lookup) {
        String table = DeployedModel.floatName(lookup.name()) + ".table";
        put(deployed, tensors, table, lookup.table());
        metadata.put("bits." + table, Integer.toString(lookup.y().bits()));
      }
    }
    for (CodesTensor t : deployed.model().codes()) {
      String name = DeployedModel.floatName(t.name());
      put(deployed, tensors, name + ".scale", HostTensor.of(Shape.of(1), t.scale()));
      put(deployed, tensors, name + ".zero_point", HostTensor.of(Shape.of(1), t.zeroPoint()));
      metadata.put("bits." + name, Integer.toString(t.bits()));
    }
    return Safetensors.toBytes(new Safetensors.File(metadata, tensors));
  }

  private static void put(
      DeployedModel deployed, Map<String, HostTensor> tensors, String name, HostTensor tensor)
      throws IOException {
    if (tensors.put(name, tensor) != null) {
      throw new IOException(
          "%s: two tensors would have the name %s".formatted(deployed.model().where(), name));
    }
  }

  private static HostTensor rowMajor(HostTensor tensor) {
    TensorSpec spec = tensor.spec().with(Layout.ROW_MAJOR);
    return HostTensor.ofBytes(spec, MemoryOrder.toOnnx(tensor));
  }
}
