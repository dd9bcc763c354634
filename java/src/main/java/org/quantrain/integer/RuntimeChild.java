package org.quantrain.integer;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * The end of {@link ChildProtocol} in the process of a runtime, so that a foreign model cannot take
 * the verifier with it. Standard input and output carry the protocol.
 *
 * <p>Each batch runs twice: with all tensors of codes as outputs, and through the model as it is,
 * because a tensor that is an output cannot be optimized away.
 */
final class RuntimeChild {
  private RuntimeChild() {}

  /**
   * What the verifier asks for.
   *
   * @param codes names of the tensors of codes
   * @param delegates use what the runtime delegates to by default
   */
  record Request(
      byte[] model,
      int threads,
      List<String> codes,
      String output,
      List<Input> inputs,
      boolean delegates) {}

  /**
   * An input of the model.
   *
   * @param real of float32, else of int32
   * @param dims behind the batch; [C,H,W] of images
   */
  record Input(String name, boolean real, int[] dims) {}

  /** A model in its runtime, with and without its codes as outputs. */
  interface Session extends AutoCloseable {
    String version();

    String optimization();

    /** Nodes as they are executed. */
    List<ChildProtocol.OptimizedNode> plain();

    /** The same with all codes as outputs. */
    List<ChildProtocol.OptimizedNode> exposed();

    /**
     * @param count images
     * @param inputs each in the order and type of the model's
     * @return the codes of each tensor, the output beside them, and the output of the model as it
     *     is
     */
    List<byte[]> run(int count, List<byte[]> inputs) throws Exception;

    @Override
    void close();
  }

  /** Loads a model. */
  interface Loader {
    Session load(Request request) throws Exception;
  }

  /** Serves one verification, then ends the process if that failed. */
  static void serve(Loader loader) throws IOException {
    DataOutputStream out =
        new DataOutputStream(
            new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 20));
    System.setOut(System.err);
    DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 20));
    try {
      serve(loader, in, out);
    } catch (IOException e) {
      // The verifier is gone, there is nobody to tell.
      System.exit(2);
    } catch (Throwable e) {
      out.writeInt(ChildProtocol.FAILED);
      ChildProtocol.writeText(out, e.toString());
      out.flush();
      System.exit(1);
    }
  }

  private static void serve(Loader loader, DataInputStream in, DataOutputStream out)
      throws Exception {
    if (in.readInt() != ChildProtocol.START) {
      throw new IllegalStateException("started by something that is not the verifier");
    }
    Request asked = read(in);
    try (Session session = loader.load(asked)) {
      out.writeInt(ChildProtocol.READY);
      ChildProtocol.writeText(out, session.version());
      ChildProtocol.writeText(out, session.optimization());
      write(out, session.plain());
      write(out, session.exposed());
      out.flush();
      int request = in.readInt();
      while (request == ChildProtocol.RUN) {
        int count = in.readInt();
        List<byte[]> inputs = new ArrayList<>();
        for (int i = 0; i < asked.inputs().size(); i++) {
          inputs.add(ChildProtocol.readBytes(in, Integer.MAX_VALUE));
        }
        List<byte[]> answers = session.run(count, inputs);
        out.writeInt(ChildProtocol.RESULT);
        for (byte[] answer : answers) {
          ChildProtocol.writeBytes(out, answer);
        }
        out.flush();
        request = in.readInt();
      }
    }
  }

  private static Request read(DataInputStream in) throws IOException {
    byte[] model = ChildProtocol.readBytes(in, Integer.MAX_VALUE);
    int threads = in.readInt();
    List<String> codes = new ArrayList<>();
    int count = in.readInt();
    for (int i = 0; i < count; i++) {
      codes.add(ChildProtocol.readText(in));
    }
    String output = ChildProtocol.readText(in);
    List<Input> inputs = new ArrayList<>();
    int given = in.readInt();
    for (int i = 0; i < given; i++) {
      String name = ChildProtocol.readText(in);
      boolean real = in.readBoolean();
      int[] dims = new int[in.readInt()];
      for (int d = 0; d < dims.length; d++) {
        dims[d] = in.readInt();
      }
      inputs.add(new Input(name, real, dims));
    }
    return new Request(model, threads, codes, output, inputs, in.readBoolean());
  }

  private static void write(DataOutputStream out, List<ChildProtocol.OptimizedNode> nodes)
      throws IOException {
    out.writeInt(nodes.size());
    for (ChildProtocol.OptimizedNode node : nodes) {
      ChildProtocol.writeText(out, node.domain());
      ChildProtocol.writeText(out, node.op());
      ChildProtocol.writeText(out, node.name());
    }
  }
}
