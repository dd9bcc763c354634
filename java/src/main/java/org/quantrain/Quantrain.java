package org.quantrain;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.backend.cuda.CudaBackend;
import org.quantrain.backend.cuda.CudaDiagnosis;
import org.quantrain.backend.cuda.CudaLibraries;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.onnx.OnnxException;
import org.quantrain.onnx.OnnxReader;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Device;
import org.quantrain.runtime.DeviceCheck;
import org.quantrain.runtime.FloatProducts;
import org.quantrain.runtime.Meeting;
import org.quantrain.runtime.QuantrainException;
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

  /** On a device, with the products of float32 and the same bits in every run. */
  public static Quantrain open(Device device, int threads) {
    return open(device, threads, FloatProducts.EXACT);
  }

  /**
   * On a device. Today {@code AUTO} is the CPU.
   *
   * @param threads of the CPU, for computing or for reading images; 0 for one per core
   * @param products what a CUDA device may do to products of floats
   * @throws QuantrainException in one line if the device cannot be used
   */
  public static Quantrain open(Device device, int threads, FloatProducts products) {
    if (device.kind() != Device.Kind.CUDA) {
      return threads == 0 ? open() : open(threads);
    }
    int readers = threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
    return new Quantrain(CudaBackend.open(device.index(), products), readers);
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

  /**
   * Why so many processes cannot train together here; empty if they can. On CUDA each takes a
   * device of its own.
   *
   * @param device that they train on
   */
  public static Optional<String> whyNotTogether(int processes, Device device) {
    return device.kind() == Device.Kind.CUDA
        ? CudaBackend.whyNotShared(processes)
        : CpuBackend.whyAlone();
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

  /**
   * Names the folder with the libraries of CUDA, for devices that are opened from now on: one with
   * the files, or {@code site-packages} or {@code torch} of an environment of Python. Without it
   * the environment variable QUANTRAIN_CUDA_LIBRARIES names one; the system is searched in any
   * case.
   *
   * @throws IllegalArgumentException if it is no folder
   */
  public static void useCudaLibraries(Path folder) {
    CudaLibraries.use(folder);
  }

  /** The folder that {@link #useCudaLibraries} named; empty if it did not. */
  public static Optional<Path> cudaLibraries() {
    return CudaLibraries.used();
  }

  /**
   * What CUDA needs, and whether it is here: the device and its driver and the libraries, which
   * must be for training to run there; last NCCL, which several processes need.
   */
  public static List<DeviceCheck> checkCuda() {
    return CudaDiagnosis.run();
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
