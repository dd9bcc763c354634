package org.quantrain.integer;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.TensorSpec;

/** The verifier's end of {@link RuntimeChild}: starts it, talks to it, ends it whatever happens. */
final class RuntimeProcess implements AutoCloseable {
  private static final int LAST_WORDS = 2000;

  private final IntegerModel model;
  private final String runtime;
  private final Duration limit;
  private final Path folder;
  private final Process process;
  private final DataInputStream in;
  private final DataOutputStream out;
  private final ScheduledExecutorService watchdog =
      Executors.newSingleThreadScheduledExecutor(task -> daemon(task, "runtime-watchdog"));
  private final StringBuilder lastWords = new StringBuilder();
  private final Thread listener;
  private volatile boolean timedOut;
  private Answer.Ready ready;

  /** What the child answers. */
  sealed interface Answer {
    /** It has loaded the model. */
    record Ready(
        String version,
        String optimization,
        List<ChildProtocol.OptimizedNode> plain,
        List<ChildProtocol.OptimizedNode> exposed)
        implements Answer {}

    /**
     * It has run a batch.
     *
     * @param codes in memory order, as the model lists its tensors
     * @param logits from the model with all codes as outputs
     * @param plainLogits from the model as it is
     */
    record Result(List<HostTensor> codes, HostTensor logits, HostTensor plainLogits)
        implements Answer {}
  }

  /**
   * Starts the child and lets it load the model.
   *
   * @param limit for the start and for each batch
   */
  RuntimeProcess(IntegerModel model, byte[] bytes, int threads, Duration limit, int heapMegabytes)
      throws IOException {
    this.model = model;
    this.runtime = model.runtime().title();
    this.limit = limit;
    folder = Files.createTempDirectory("quantrain-runtime");
    try {
      ProcessBuilder builder = new ProcessBuilder(command(heapMegabytes));
      // Read when its library is loaded; verification tells nobody about the model.
      builder.environment().put("ORT_DISABLE_TELEMETRY", "1");
      process = builder.start();
    } catch (IOException e) {
      delete(folder);
      watchdog.shutdownNow();
      throw new IOException(
          "a process for " + runtime + " cannot be started: " + e.getMessage(), e);
    }
    in = new DataInputStream(new BufferedInputStream(process.getInputStream(), 1 << 20));
    out = new DataOutputStream(new BufferedOutputStream(process.getOutputStream(), 1 << 20));
    listener = daemon(this::listen, "runtime-stderr");
    listener.start();
    boolean started = false;
    try {
      ready = guarded(() -> start(bytes, threads));
      started = true;
    } finally {
      if (!started) {
        close();
      }
    }
  }

  private List<String> command(int heapMegabytes) {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx" + heapMegabytes + "m",
                "-XX:+UseSerialGC",
                "-Djava.awt.headless=true",
                "-Djava.io.tmpdir=" + folder));
    if (Runtime.version().feature() >= 22) {
      command.add("--enable-native-access=ALL-UNNAMED");
    }
    // Native libraries are unpacked once for all processes, or not at all; not into the folder of
    // this one.
    for (String place : List.of("org.bytedeco.javacpp.cachedir", "onnxruntime.native.path")) {
      String folder = System.getProperty(place);
      if (folder != null) {
        command.add("-D" + place + "=" + folder);
      }
    }
    command.addAll(List.of("-cp", classPath(), model.runtime().child().getName()));
    return command;
  }

  private static String classPath() {
    StringBuilder absolute = new StringBuilder();
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      absolute
          .append(absolute.length() == 0 ? "" : File.pathSeparator)
          .append(new File(entry).getAbsolutePath());
    }
    return absolute.toString();
  }

  private Answer.Ready start(byte[] bytes, int threads) throws IOException {
    out.writeInt(ChildProtocol.START);
    ChildProtocol.writeBytes(out, bytes);
    out.writeInt(threads);
    List<CodesTensor> codes = model.codes();
    out.writeInt(codes.size());
    for (CodesTensor tensor : codes) {
      ChildProtocol.writeText(out, tensor.name());
    }
    ChildProtocol.writeText(out, model.output());
    out.writeInt(model.inputs().size());
    for (Map.Entry<String, TensorSpec> input : model.inputs().entrySet()) {
      ChildProtocol.writeText(out, input.getKey());
      out.writeBoolean(input.getValue().dtype() == DType.F32);
      int[] dims = input.getValue().shape().dims();
      out.writeInt(dims.length - 1);
      for (int i = 1; i < dims.length; i++) {
        out.writeInt(dims[i]);
      }
    }
    out.writeBoolean(model.runtime().delegates(model.contract()));
    out.flush();
    expect(ChildProtocol.READY);
    String version = ChildProtocol.readText(in);
    String optimization = ChildProtocol.readText(in);
    return new Answer.Ready(version, optimization, readNodes(), readNodes());
  }

  private List<ChildProtocol.OptimizedNode> readNodes() throws IOException {
    List<ChildProtocol.OptimizedNode> nodes = new ArrayList<>();
    int count = in.readInt();
    for (int i = 0; i < count; i++) {
      nodes.add(
          new ChildProtocol.OptimizedNode(
              ChildProtocol.readText(in), ChildProtocol.readText(in), ChildProtocol.readText(in)));
    }
    return nodes;
  }

  Answer.Ready ready() {
    return ready;
  }

  /**
   * Runs a batch; waits for the answer.
   *
   * @param inputs as {@link ImageBatch} has them
   */
  Answer.Result run(List<HostTensor> inputs) throws IOException {
    return guarded(() -> exchange(inputs));
  }

  private Answer.Result exchange(List<HostTensor> inputs) throws IOException {
    int count = inputs.get(0).shape().dim(0);
    out.writeInt(ChildProtocol.RUN);
    out.writeInt(count);
    for (HostTensor input : inputs) {
      ChildProtocol.writeBytes(out, model.encode(input));
    }
    out.flush();
    expect(ChildProtocol.RESULT);
    List<HostTensor> codes = new ArrayList<>();
    for (CodesTensor tensor : model.codes()) {
      long elements = tensor.shape().elementsPerSample();
      codes.add(model.decode(tensor, count, read(count * elements, tensor.name())));
    }
    long logits = model.logitsBytes();
    return new Answer.Result(
        codes,
        model.decodeLogits(count, read(count * logits, model.output())),
        model.decodeLogits(count, read(count * logits, model.output())));
  }

  private byte[] read(long expected, String name) throws IOException {
    byte[] bytes = ChildProtocol.readBytes(in, Integer.MAX_VALUE);
    if (bytes.length != expected) {
      throw new IOException(
          runtime
              + " computed "
              + bytes.length
              + " bytes of \""
              + name
              + "\", expected "
              + expected);
    }
    return bytes;
  }

  private void expect(int kind) throws IOException {
    int got = in.readInt();
    if (got == ChildProtocol.FAILED) {
      throw new ChildFailure(runtime + " failed: " + ChildProtocol.readText(in));
    }
    if (got != kind) {
      throw new IOException(runtime + "'s process does not keep to the protocol");
    }
  }

  /** The child said itself what is wrong. */
  private static final class ChildFailure extends IOException {
    private static final long serialVersionUID = 1L;

    ChildFailure(String message) {
      super(message);
    }
  }

  private interface Exchange<T> {
    T run() throws IOException;
  }

  /** Within the time limit; a failure says what became of the child. */
  private <T> T guarded(Exchange<T> exchange) throws IOException {
    ScheduledFuture<?> bark =
        watchdog.schedule(
            () -> {
              timedOut = true;
              process.destroyForcibly();
            },
            limit.toMillis(),
            TimeUnit.MILLISECONDS);
    try {
      return exchange.run();
    } catch (ChildFailure e) {
      throw e;
    } catch (IOException e) {
      throw new IOException(obituary(e), e);
    } finally {
      bark.cancel(false);
    }
  }

  private String obituary(IOException e) {
    if (timedOut) {
      return runtime + "'s process was ended after its time limit of " + limit.toSeconds() + " s";
    }
    try {
      if (!process.waitFor(2, TimeUnit.SECONDS)) {
        return "no answer from " + runtime + "'s process: " + e.getMessage();
      }
      listener.join(1000);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
    String words;
    synchronized (lastWords) {
      words = lastWords.toString().strip().replaceAll("\\p{Cntrl}+", " ");
    }
    String code = process.isAlive() ? "" : " with exit code " + process.exitValue();
    return runtime + "'s process died" + code + (words.isEmpty() ? "" : "; it said: " + words);
  }

  /** Reads the child's messages, so that it never waits for us, and keeps the last. */
  private void listen() {
    byte[] buffer = new byte[4096];
    try (InputStream errors = process.getErrorStream()) {
      for (int n = errors.read(buffer); n >= 0; n = errors.read(buffer)) {
        synchronized (lastWords) {
          lastWords.append(new String(buffer, 0, n, StandardCharsets.UTF_8));
          lastWords.delete(0, Math.max(0, lastWords.length() - LAST_WORDS));
        }
      }
    } catch (IOException e) {
      // The child is gone; what it said before is kept.
    }
  }

  private static Thread daemon(Runnable task, String name) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    return thread;
  }

  @Override
  public void close() {
    try {
      out.writeInt(ChildProtocol.STOP);
      out.flush();
    } catch (IOException e) {
      // It is gone already.
    }
    try {
      if (!process.waitFor(5, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor(5, TimeUnit.SECONDS);
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
    watchdog.shutdownNow();
    delete(folder);
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path path : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(path);
      }
    } catch (IOException e) {
      // Left to whoever cleans temporary folders.
    }
  }
}
