package org.quantrain.integer;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.QuantrainException;
import org.quantrain.tensor.HostTensor;

/**
 * The interpreter's fast road for every image, and its reference loops for the first batch: before
 * anything is claimed of a file, the two have given equal codes on it, on this machine. Whole data
 * sets are verified with this one, because the loops are slow on purpose.
 */
public final class SampledInterpreter implements CodesSource {
  private final IntegerModel model;
  private final CodesSource fast;
  private CodesSource reference;

  SampledInterpreter(IntegerModel model, CodesSource fast, CodesSource reference) {
    this.model = model;
    this.fast = fast;
    this.reference = reference;
  }

  /**
   * @param backend is not closed
   * @param batch images at a time
   */
  public static SampledInterpreter of(Backend backend, IntegerModel model, int batch) {
    IntegerInterpreter fast = IntegerInterpreter.fast(backend, model, batch);
    try {
      return new SampledInterpreter(model, fast, new IntegerInterpreter(backend, model, batch));
    } catch (RuntimeException e) {
      fast.close();
      throw e;
    }
  }

  @Override
  public String description() {
    return "IntegerInterpreter (fast road, loops on the first batch)";
  }

  @Override
  public CodesBatch run(HostTensor images) {
    return run(List.of(images));
  }

  /**
   * @throws QuantrainException if the fast road differs from the reference on the first inputs
   */
  @Override
  public CodesBatch run(List<HostTensor> inputs) {
    return compared(source -> source.run(inputs));
  }

  @Override
  public CodesBatch run(List<HostTensor> inputs, Map<String, HostTensor> islands) {
    return compared(source -> source.run(inputs, islands));
  }

  private CodesBatch compared(Function<CodesSource, CodesBatch> run) {
    CodesBatch found = run.apply(fast);
    if (reference != null) {
      requireEqual(run.apply(reference), found);
      reference.close();
      reference = null;
    }
    return found;
  }

  private void requireEqual(CodesBatch expected, CodesBatch found) {
    for (CodesTensor tensor : model.codes()) {
      String name = tensor.name();
      requireEqual(name, expected.codes().get(name), found.codes().get(name));
    }
    requireEqual("the logits", expected.logits(), found.logits());
  }

  private void requireEqual(String name, HostTensor expected, HostTensor found) {
    if (!Arrays.equals(expected.bytes(), found.bytes())) {
      throw new QuantrainException(
          ("%s: the fast road differs from the reference loops at %s; that is a fault of Quantrain"
                  + " on this machine, not of the file: please report it with what"
                  + " 'quantrain doctor' prints")
              .formatted(model.where(), name));
    }
  }

  @Override
  public Map<String, Long> largestSums() {
    return fast.largestSums();
  }

  @Override
  public void close() {
    fast.close();
    if (reference != null) {
      reference.close();
    }
  }
}
