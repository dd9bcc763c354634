package org.quantrain.backend.shared;

import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.runtime.Binding.Operand;

/**
 * Addresses as JavaCPP pointers that own nothing; null for address 0. Used while a kernel is
 * prepared.
 */
public final class At extends Pointer {
  private At(long address) {
    super((Pointer) null);
    this.address = address;
  }

  public static Pointer any(long address) {
    return address == 0 ? null : new At(address);
  }

  public static BytePointer bytes(long address) {
    return address == 0 ? null : new BytePointer(new At(address));
  }

  public static FloatPointer floats(long address) {
    return address == 0 ? null : new FloatPointer(new At(address));
  }

  public static IntPointer ints(long address) {
    return address == 0 ? null : new IntPointer(new At(address));
  }

  public static LongPointer longs(long address) {
    return address == 0 ? null : new LongPointer(new At(address));
  }

  public static Pointer any(Operand operand) {
    return any(operand.address());
  }

  public static BytePointer bytes(Operand operand) {
    return bytes(operand.address());
  }

  public static FloatPointer floats(Operand operand) {
    return floats(operand.address());
  }

  public static IntPointer ints(Operand operand) {
    return ints(operand.address());
  }

  public static LongPointer longs(Operand operand) {
    return longs(operand.address());
  }
}
