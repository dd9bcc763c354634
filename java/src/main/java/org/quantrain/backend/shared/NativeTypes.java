package org.quantrain.backend.shared;

import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.tensor.DType;

/** What native arguments call the types of tensors. */
public final class NativeTypes {
  private NativeTypes() {}

  public static int codeType(Operand codes) {
    return codes.spec().dtype() == DType.U8 ? QuantrainNative.QT_U8 : QuantrainNative.QT_S8;
  }

  /** Of floats or codes. */
  public static int elementType(Binding b, DType type) {
    return switch (type) {
      case F32 -> QuantrainNative.QT_ELEMENT_F32;
      case U8 -> QuantrainNative.QT_ELEMENT_U8;
      case S8 -> QuantrainNative.QT_ELEMENT_S8;
      default -> throw b.failure("expected F32 or codes, got " + type);
    };
  }
}
