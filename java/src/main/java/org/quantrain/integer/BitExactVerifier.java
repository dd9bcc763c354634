package org.quantrain.integer;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.quantrain.onnx.OnnxFile;
import org.quantrain.op.Contract;
import org.quantrain.tensor.HostTensor;

/**
 * Proves, image by image and code by code, that a quantized file computes the same integers in
 * three places: in its runtime, in the interpreter (claim V2), and in the network that was trained
 * (claim V3).
 *
 * <p>V2 is claimed of every integer segment: floats may differ in the last bit between runtimes, so
 * behind a float island the interpreter goes on with the runtime's codes. How many of its own codes
 * differ there is counted apart.
 *
 * <pre>{@code
 * try (IntegerInterpreter interpreter = new IntegerInterpreter(backend, model, 64)) {
 *   System.out.println(BitExactVerifier.of(file).verify(interpreter, null, images));
 * }
 * }</pre>
 */
public final class BitExactVerifier {
  private final IntegerModel model;
  private final byte[] bytes;
  private final Duration timeLimit;
  private final int heapMegabytes;

  private BitExactVerifier(
      IntegerModel model, byte[] bytes, Duration timeLimit, int heapMegabytes) {
    this.model = model;
    this.bytes = bytes;
    this.timeLimit = timeLimit;
    this.heapMegabytes = heapMegabytes;
  }

  /**
   * Reads the file; what is verified is its contents as of now.
   *
   * @throws IOException as {@link IntegerModel#read(Path)}
   */
  public static BitExactVerifier of(Path file) throws IOException {
    byte[] bytes = OnnxFile.readBytes(file);
    IntegerModel model = IntegerModel.read(file.toAbsolutePath().normalize().toString(), bytes);
    return new BitExactVerifier(model, bytes, Duration.ofMinutes(5), 2048);
  }

  /**
   * With another arithmetic than the file's, which the runtime is told to use: {@link
   * IntegerModel#withContract}. The interpreter must have the same.
   */
  public BitExactVerifier withContract(Contract contract) {
    return new BitExactVerifier(model.withContract(contract), bytes, timeLimit, heapMegabytes);
  }

  /** How long the runtime may take to start, and for each batch. */
  public BitExactVerifier withTimeLimit(Duration limit) {
    return new BitExactVerifier(model, bytes, limit, heapMegabytes);
  }

  /** Java heap of the process in which the runtime runs. */
  public BitExactVerifier withHeapMegabytes(int megabytes) {
    return new BitExactVerifier(model, bytes, timeLimit, megabytes);
  }

  /**
   * Runs all batches everywhere and compares. The runtime works while the interpreter does; both
   * sources are called from this thread.
   *
   * @param interpreter of the same file: {@link IntegerInterpreter}, or for many images {@link
   *     SampledInterpreter}; the claims name it
   * @param training codes of the trained network; null: V3 is not looked at
   * @param batches at least one
   * @throws IOException if the runtime fails, dies or takes too long
   * @throws IllegalArgumentException if a source lacks a tensor of the file
   */
  public VerificationReport verify(
      CodesSource interpreter, CodesSource training, Iterator<ImageBatch> batches)
      throws IOException {
    if (!batches.hasNext()) {
      throw new IllegalArgumentException("nothing to verify with: no images");
    }
    int threads = Math.max(1, Runtime.getRuntime().availableProcessors() / 2);
    ExecutorService worker =
        Executors.newSingleThreadExecutor(
            task -> {
              Thread thread = new Thread(task, "runtime-exchange");
              thread.setDaemon(true);
              return thread;
            });
    try (RuntimeProcess process =
        new RuntimeProcess(model, bytes, threads, timeLimit, heapMegabytes)) {
      return verify(interpreter, training, batches, process, worker);
    } finally {
      worker.shutdownNow();
    }
  }

  private VerificationReport verify(
      CodesSource interpreter,
      CodesSource training,
      Iterator<ImageBatch> batches,
      RuntimeProcess process,
      ExecutorService worker)
      throws IOException {
    List<CodesTensor> tensors = model.codes();
    String title = model.runtime().title();
    String logitsName = model.layers().get(model.layers().size() - 1).name();
    String plainName = logitsName + " (nothing else exposed)";
    Set<String> islands = model.islands();
    Comparison v2 = new Comparison(model, List.of(logitsName, plainName), islands);
    Comparison v3 = new Comparison(model, List.of(logitsName), Set.of());
    if (training != null) {
      v3.weights(training.weights());
    }
    Headroom headroom = new Headroom(model);
    Top1 interpreted = new Top1();
    Top1 executed = new Top1();
    ImageBatch batch = batches.next();
    Future<RuntimeProcess.Answer.Result> answer = submit(worker, process, batch);
    long images = 0;
    while (batch != null) {
      // What follows an island needs the runtime's codes; without one both work at the same time.
      boolean whole = islands.isEmpty() || training != null;
      CodesBatch own = whole ? interpreter.run(batch.inputs()) : null;
      CodesBatch trained = training == null ? null : training.run(batch.inputs());
      RuntimeProcess.Answer.Result theirs = await(answer);
      ImageBatch next = batches.hasNext() ? batches.next() : null;
      answer = next == null ? null : submit(worker, process, next);
      Map<String, HostTensor> runtime = new LinkedHashMap<>();
      for (int i = 0; i < tensors.size(); i++) {
        runtime.put(tensors.get(i).name(), theirs.codes().get(i));
      }
      CodesBatch segments = own;
      if (!islands.isEmpty()) {
        Map<String, HostTensor> given = new HashMap<>();
        islands.forEach(name -> given.put(name, runtime.get(name)));
        segments = interpreter.run(batch.inputs(), given);
      }
      v2.codes(interpreter.description(), segments.codes(), title, runtime, batch.count());
      v2.logits(logitsName, segments.logits(), theirs.logits(), batch.count());
      v2.logits(plainName, segments.logits(), theirs.plainLogits(), batch.count());
      v2.endBatch(batch.count());
      if (trained != null) {
        v3.codes(
            interpreter.description(),
            own.codes(),
            training.description(),
            trained.codes(),
            batch.count());
        v3.logits(logitsName, own.logits(), trained.logits(), batch.count());
        v3.endBatch(batch.count());
      }
      headroom.add(segments.codes(), batch.count());
      interpreted.add(segments.logits(), batch);
      executed.add(theirs.plainLogits(), batch);
      images += batch.count();
      batch = next;
    }
    RuntimeFacts facts = facts(process.ready());
    List<Claim> claims = new ArrayList<>();
    claims.add(v2.claim("V2", interpreter.description(), facts.toString()));
    if (training != null) {
      claims.add(v3.claim("V3", interpreter.description(), training.description()));
    }
    List<Accuracy> accuracy = new ArrayList<>();
    if (interpreted.images > 0) {
      accuracy.add(interpreted.accuracy(interpreter.description()));
      accuracy.add(executed.accuracy(title));
    }
    return new VerificationReport(
        model.where(),
        images,
        claims,
        facts,
        model.digestMatches().orElse(null),
        accuracy,
        headroom.layers(interpreter.largestSums()));
  }

  private static Future<RuntimeProcess.Answer.Result> submit(
      ExecutorService worker, RuntimeProcess process, ImageBatch batch) {
    return worker.submit(() -> process.run(batch.inputs()));
  }

  private static <T> T await(Future<T> future) throws IOException {
    try {
      return future.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof IOException io) {
        throw io;
      }
      throw new IllegalStateException("the exchange with the runtime failed", e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while the runtime was working", e);
    }
  }

  private RuntimeFacts facts(RuntimeProcess.Answer.Ready ready) {
    List<String> problems = new ArrayList<>();
    check(ready.plain(), "", problems);
    check(ready.exposed(), " (with codes as outputs)", problems);
    boolean tflite = model.runtime() == ModelRuntime.TFLITE;
    return new RuntimeFacts(
        model.runtime().title(),
        ready.version(),
        ready.optimization(),
        CpuFeatures.describe(),
        tflite
            ? DelegatedOperators.counts(model.contract(), ready.plain())
            : ExecutedOperators.counts(ready.plain()),
        problems);
  }

  private void check(
      List<ChildProtocol.OptimizedNode> nodes, String suffix, List<String> problems) {
    if (model.runtime() == ModelRuntime.TFLITE) {
      DelegatedOperators.check(model.contract(), nodes, suffix, problems);
    } else {
      ExecutedOperators.check(model.layers(), nodes, suffix, problems);
    }
  }

  /** Counts images whose largest logit, the first among equals, is at their label. */
  private static final class Top1 {
    private long images;
    private long correct;

    Accuracy accuracy(String of) {
      return new Accuracy(of, images, correct);
    }

    void add(HostTensor logits, ImageBatch batch) {
      if (batch.labels() == null) {
        return;
      }
      float[] values = logits.floats();
      int classes = logits.shape().dim(1);
      for (int n = 0; n < batch.count(); n++) {
        if (batch.labels()[n] < 0) {
          continue;
        }
        int best = 0;
        for (int c = 1; c < classes; c++) {
          if (values[n * classes + c] > values[n * classes + best]) {
            best = c;
          }
        }
        images++;
        correct += best == batch.labels()[n] ? 1 : 0;
      }
    }
  }
}
