package org.quantrain.backend.cpu;

import java.nio.IntBuffer;
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
final class At extends Pointer {
  private At(long address) {
    super((Pointer) null);
    this.address = address;
  }

  static Pointer any(long address) {
    return address == 0 ? null : new At(address);
  }

  static BytePointer bytes(long address) {
    return address == 0 ? null : new BytePointer(new At(address));
  }

  static FloatPointer floats(long address) {
    return address == 0 ? null : new FloatPointer(new At(address));
  }

  static IntPointer ints(long address) {
    return address == 0 ? null : new IntPointer(new At(address));
  }

  static LongPointer longs(long address) {
    return address == 0 ? null : new LongPointer(new At(address));
  }

  static Pointer any(Operand operand) {
    return any(operand.address());
  }

  static BytePointer bytes(Operand operand) {
    return bytes(operand.address());
  }

  static FloatPointer floats(Operand operand) {
    return floats(operand.address());
  }

  static IntPointer ints(Operand operand) {
    return ints(operand.address());
  }

  /** What Java reads at every run, which a pointer would call native code for. */
  static IntBuffer readInts(Operand operand) {
    return ints(operand).capacity(operand.spec().shape().elements()).asBuffer();
  }

  static LongPointer longs(Operand operand) {
    return longs(operand.address());
  }
}
