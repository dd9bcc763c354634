package org.quantrain;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.backend.cuda.CudaProbe;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.onnx.OnnxException;
import org.quantrain.onnx.OnnxReader;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Meeting;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;

/**
 * The way in: float networks to train, quantize, export and verify.
 *
 * <pre>{@code
 * try (var quantrain = Quantrain.open()) {
 *   var network = quantrain.load(Path.of("resnet8.onnx"));
 *   var qat = network.quantize(QuantPolicy.forTarget(Target.ORT).weights(4).activations(4));
 *   var data = Datasets.load("fashion-mnist");
 *   qat.train(data.train(), Recipe.forImages(data.train().size()));
 *   qat.export(Path.of("resnet8.w4a4.onnx"));
 *   System.out.println(qat.verify(Path.of("resnet8.w4a4.onnx"), data.test()));
 * }
 * }</pre>
 *
 * <p>Use it, and everything made from it, on the thread that opened it.
 */
public final class Quantrain implements AutoCloseable {
  private final Backend backend;
  private int inputThreads;

  private Quantrain(Backend backend, int inputThreads) {
    this.backend = backend;
    this.inputThreads = inputThreads;
  }

  /** On the CPU, with as many threads as OMP_NUM_THREADS or the machine says. */
  public static Quantrain open() {
    return new Quantrain(CpuBackend.open(), Runtime.getRuntime().availableProcessors());
  }

  /** On the CPU, with this many threads. */
  public static Quantrain open(int threads) {
    return new Quantrain(CpuBackend.open(threads), threads);
  }

  /**
   * Sets how many threads read, decode and augment images ahead of their use, in networks that are
   * made from now on. They share the cores with those that compute; the images are the same for any
   * number. By default there are as many as compute, or one for each core.
   *
   * @param threads 1 to 1024
   * @return this
   * @throws IllegalArgumentException if threads is out of range
   */
  public Quantrain inputThreads(int threads) {
    if (threads < 1 || threads > 1024) {
      throw new IllegalArgumentException("input threads: expected 1 to 1024, got " + threads);
    }
    inputThreads = threads;
    return this;
  }

  /**
   * Waits for the other processes of a training. Networks that are trained from now on share their
   * batches with them: each process makes the same calls with the same networks, images and
   * recipes, and all come to the same weights. The first alone saves checkpoints.
   *
   * @param folder empty at first, the same for all of them and used by nobody else
   * @param rank number of this process, from 0
   * @param size number of processes
   * @return this
   * @throws org.quantrain.runtime.CollectiveException if they do not come, or this build cannot
   *     train in several processes
   */
  public Quantrain meet(Path folder, int rank, int size) {
    backend.meet(new Meeting(folder, rank, size));
    return this;
  }

  /** Why this build cannot train in several processes; empty if it can. */
  public static Optional<String> whyOneProcessOnly() {
    return CpuBackend.whyAlone();
  }

  /** What computes here: instruction sets, threads, library versions. */
  public String describe() {
    return backend.description();
  }

  /**
   * A float network from an ONNX file.
   *
   * @throws OnnxException if the file is missing, corrupt, has operations that are not supported or
   *     is no classifier of images
   */
  public Network load(Path onnx) throws IOException {
    Model model = OnnxReader.read(onnx);
    Graph graph = model.graph();
    Value input = graph.inputs().get(0);
    Value logits = graph.outputs().get(0);
    boolean classifies =
        graph.inputs().size() == 1
            && graph.outputs().size() == 1
            && input.spec().dtype() == DType.F32
            && input.spec().shape().rank() == 4
            && logits.spec().shape().rank() == 2
            && logits.spec().shape().dim(0) == Shape.BATCH;
    if (!classifies) {
      throw new OnnxException(
          onnx,
          "expected one input [N,C,H,W] and logits [N,classes] as the only output, got "
              + graph.inputs()
              + " and "
              + graph.outputs());
    }
    return network(model);
  }

  /**
   * A float network built in Java, see {@link org.quantrain.zoo.Zoo}, or one with any inputs that
   * was read from a file: {@code network(OnnxReader.read(file))}.
   */
  public Network network(Model model) {
    return new Network(backend, inputThreads, model);
  }

  /** Why the CUDA kernels cannot run here (not built, no driver, no device); empty if they can. */
  public static Optional<String> whyNoCuda() {
    CudaProbe probe = CudaProbe.run();
    return probe.devices() > 0 ? Optional.empty() : Optional.of(probe.reason());
  }

  /** The executor behind this, for plans of one's own. */
  public Backend backend() {
    return backend;
  }

  @Override
  public void close() {
    backend.close();
  }
}
