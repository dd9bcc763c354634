package org.quantrain.backend.cpu;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.javacpp.Loader;
import org.quantrain.backend.shared.NativeContext;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_context;
import org.quantrain.runtime.QuantrainException;

/** What every CPU kernel needs: the context of our kernels and oneDNN. */
final class Cpu extends NativeContext {
  private final Dnnl dnnl;
  private final boolean exactIntegers;
  private final boolean pairsIntegers;
  private final boolean sumsInBands;
  private final Map<Convolution, Optional<String>> exactFor = new HashMap<>();

  /**
   * @param threads 0 for one per core
   * @param isa instruction set of our kernels, null for the best there is
   * @throws QuantrainException if the native libraries do not load here
   */
  Cpu(int threads, String isa) {
    super(open(threads));
    sumsInBands = isa().equals("avx2");
    if (isa != null
        && QuantrainNative.qt_context_force_isa(handle(), isa) != QuantrainNative.QT_OK) {
      throw new QuantrainException("no kernels for " + isa + " on this processor");
    }
    enter();
    dnnl = new Dnnl(handle());
    exactIntegers = IntegerSelfTest.passes(this);
    pairsIntegers = !exactIntegers && !isa().equals("baseline");
  }

  private static qt_context open(int threads) {
    try {
      // oneDNN first: both libraries then share its OpenMP runtime and one team of threads.
      Loader.load(org.bytedeco.dnnl.global.dnnl.class);
      Loader.load(QuantrainNative.class);
    } catch (LinkageError e) {
      throw new QuantrainException("the native libraries do not load here: " + e.getMessage(), e);
    }
    qt_context context = new qt_context();
    if (QuantrainNative.qt_context_create(context, threads) != QuantrainNative.QT_OK) {
      throw new QuantrainException("no native context: out of memory");
    }
    return context;
  }

  /** Whether oneDNN's int8 products are exact here. */
  boolean exactIntegers() {
    return exactIntegers;
  }

  /**
   * Whether our own integer products are the fastest exact ones: int8 units are not exact, and the
   * kernels have vectors.
   */
  boolean pairsIntegers() {
    return pairsIntegers;
  }

  /**
   * Whether our own gradient of weights is faster than oneDNN's: on processors whose widest units
   * are AVX2, also where kernels of another instruction set were asked for, which have its bits.
   * Wider units oneDNN keeps busy.
   */
  boolean sumsInBands() {
    return sumsInBands;
  }

  private String isa() {
    return QuantrainNative.qt_context_isa(handle()).getString();
  }

  Dnnl dnnl() {
    return dnnl;
  }

  /**
   * Whether this implementation of an unsigned int8 convolution without zero-point is exact for
   * sums past 2^24. Proved once for each convolution, on one image.
   */
  boolean isExactFor(Convolution conv, String implementation) {
    return exactFor
        .computeIfAbsent(conv.ofOneImage(), c -> IntegerSelfTest.exactImplementation(this, c))
        .equals(Optional.of(implementation));
  }

  String description() {
    DnnlUnits units = DnnlUnits.here();
    return QuantrainNative.qt_context_threads(handle())
        + " threads, quantrain "
        + QuantrainNative.qt_version().getString()
        + " on "
        + isa()
        + ", "
        + dnnl.version()
        + " ("
        + QuantrainNative.qt_cpu_features().getString()
        + "), integer products "
        + (exactIntegers
            ? "on int8 units (" + units.int8() + "), proved exact at start"
            : (pairsIntegers ? "in 16-bit units" : "on integer-valued floats")
                + ", because int8 units are not exact here")
        + (units.bf16().isEmpty()
            ? ", bf16 products emulated"
            : ", bf16 products on bf16 units (" + units.bf16() + ")");
  }

  @Override
  public void close() {
    dnnl.close();
    super.close();
  }
}
