package org.quantrain.onnx;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.OperatorSetIdProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import ai.onnx.proto.OnnxMl.TensorShapeProto;
import ai.onnx.proto.OnnxMl.TypeProto;
import ai.onnx.proto.OnnxMl.ValueInfoProto;
import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.Model;

/** Writes files as other tools do. */
final class Foreign {
  final GraphProto.Builder graph = GraphProto.newBuilder().setName("foreign");

  private long opset = 13;

  Foreign opset(long version) {
    opset = version;
    return this;
  }

  Foreign input(int... dims) {
    return input("x", 1, dims);
  }

  Foreign input(String name, int type, int... dims) {
    graph.addInput(info(name, type, dims));
    return this;
  }

  private static ValueInfoProto info(String name, int type, int... dims) {
    TensorShapeProto.Builder shape = TensorShapeProto.newBuilder();
    for (int d : dims) {
      if (d < 0) {
        shape.addDimBuilder().setDimParam("batch");
      } else {
        shape.addDimBuilder().setDimValue(d);
      }
    }
    return ValueInfoProto.newBuilder()
        .setName(name)
        .setType(
            TypeProto.newBuilder()
                .setTensorType(TypeProto.Tensor.newBuilder().setElemType(type).setShape(shape)))
        .build();
  }

  Foreign output(String name) {
    graph.addOutput(ValueInfoProto.newBuilder().setName(name));
    return this;
  }

  static TensorProto tensor(String name, float[] values, long... dims) {
    ByteBuffer raw = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    raw.asFloatBuffer().put(values);
    TensorProto.Builder t = TensorProto.newBuilder().setName(name).setDataType(1);
    for (long d : dims) {
      t.addDims(d);
    }
    return t.setRawData(ByteString.copyFrom(raw)).build();
  }

  /** Values 0, 1, 2, ... */
  Foreign counting(String name, int... dims) {
    int n = Arrays.stream(dims).reduce(1, (a, b) -> a * b);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = i;
    }
    graph.addInitializer(tensor(name, values, Arrays.stream(dims).asLongStream().toArray()));
    return this;
  }

  /** Values around 0 that look random. */
  Foreign weights(String name, int... dims) {
    int n = Arrays.stream(dims).reduce(1, (a, b) -> a * b);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) Math.sin(1 + 7.3 * i);
    }
    graph.addInitializer(tensor(name, values, Arrays.stream(dims).asLongStream().toArray()));
    return this;
  }

  Foreign scales(String name, float... values) {
    graph.addInitializer(tensor(name, values, values.length));
    return this;
  }

  Foreign scalar(String name, float value) {
    graph.addInitializer(tensor(name, new float[] {value}));
    return this;
  }

  Foreign shape(String name, long... values) {
    TensorProto.Builder t =
        TensorProto.newBuilder().setName(name).setDataType(7).addDims(values.length);
    for (long v : values) {
      t.addInt64Data(v);
    }
    graph.addInitializer(t);
    return this;
  }

  NodeProto.Builder node(String op, String inputs, String outputs) {
    return graph
        .addNodeBuilder()
        .setOpType(op)
        .setName("the " + outputs.split(" ")[0])
        .addAllInput(inputs.isEmpty() ? List.of() : List.of(inputs.split(" ")))
        .addAllOutput(List.of(outputs.split(" ")));
  }

  byte[] bytes() {
    return ModelProto.newBuilder()
        .setIrVersion(7)
        .setProducerName("elsewhere")
        .setGraph(graph)
        .addOpsetImport(OperatorSetIdProto.newBuilder().setDomain("").setVersion(opset))
        .build()
        .toByteArray();
  }

  Model read() throws OnnxException {
    return OnnxReader.read("foreign", bytes());
  }

  void refused(String... words) {
    refused(bytes(), words);
  }

  static AttributeProto ints(String name, long... values) {
    AttributeProto.Builder a =
        AttributeProto.newBuilder().setName(name).setType(AttributeProto.AttributeType.INTS);
    for (long v : values) {
      a.addInts(v);
    }
    return a.build();
  }

  static AttributeProto number(String name, long value) {
    return AttributeProto.newBuilder()
        .setName(name)
        .setType(AttributeProto.AttributeType.INT)
        .setI(value)
        .build();
  }

  static AttributeProto text(String name, String value) {
    return AttributeProto.newBuilder()
        .setName(name)
        .setType(AttributeProto.AttributeType.STRING)
        .setS(ByteString.copyFromUtf8(value))
        .build();
  }

  static AttributeProto real(String name, float value) {
    return AttributeProto.newBuilder()
        .setName(name)
        .setType(AttributeProto.AttributeType.FLOAT)
        .setF(value)
        .build();
  }

  /** A list of one INT64 one. */
  static AttributeProto one(String name) {
    TensorProto.Builder t = TensorProto.newBuilder().setDataType(7).addDims(1).addInt64Data(1);
    return AttributeProto.newBuilder()
        .setName(name)
        .setType(AttributeProto.AttributeType.TENSOR)
        .setT(t)
        .build();
  }

  /** The reader refuses the file in one line with these words. */
  static void refused(byte[] bytes, String... words) {
    OnnxException e = assertThrows(OnnxException.class, () -> OnnxReader.read("foreign", bytes));
    assertTrue(e.getMessage().startsWith("foreign: "), e.getMessage());
    assertFalse(e.getMessage().contains("\n"), e.getMessage());
    for (String word : words) {
      assertTrue(e.getMessage().contains(word), e.getMessage());
    }
  }
}
