package org.quantrain.backend.cpu;

import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_FROM;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SCRATCHPAD;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_TO;
import static org.bytedeco.dnnl.global.dnnl.dnnl_cpu;
import static org.bytedeco.dnnl.global.dnnl.dnnl_engine_create;
import static org.bytedeco.dnnl.global.dnnl.dnnl_engine_destroy;
import static org.bytedeco.dnnl.global.dnnl.dnnl_format_tag_any;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_create;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_desc_create_with_strides;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_desc_create_with_tag;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_desc_destroy;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_desc_equal;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_desc_get_size;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_destroy;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_set_data_handle;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_attr_create;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_attr_destroy;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_attr_set_deterministic;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_attr_set_scratchpad_mode;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_create;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_desc_destroy;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_desc_query;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_desc_query_md;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_destroy;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_execute;
import static org.bytedeco.dnnl.global.dnnl.dnnl_query_impl_info_str;
import static org.bytedeco.dnnl.global.dnnl.dnnl_query_scratchpad_md;
import static org.bytedeco.dnnl.global.dnnl.dnnl_reorder_primitive_desc_create;
import static org.bytedeco.dnnl.global.dnnl.dnnl_scratchpad_mode_user;
import static org.bytedeco.dnnl.global.dnnl.dnnl_stream_create;
import static org.bytedeco.dnnl.global.dnnl.dnnl_stream_default_flags;
import static org.bytedeco.dnnl.global.dnnl.dnnl_stream_destroy;
import static org.bytedeco.dnnl.global.dnnl.dnnl_success;
import static org.bytedeco.dnnl.global.dnnl.dnnl_unimplemented;
import static org.bytedeco.dnnl.global.dnnl.dnnl_version;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.bytedeco.dnnl.dnnl_engine;
import org.bytedeco.dnnl.dnnl_exec_arg_t;
import org.bytedeco.dnnl.dnnl_memory;
import org.bytedeco.dnnl.dnnl_memory_desc;
import org.bytedeco.dnnl.dnnl_primitive;
import org.bytedeco.dnnl.dnnl_primitive_attr;
import org.bytedeco.dnnl.dnnl_primitive_desc;
import org.bytedeco.dnnl.dnnl_stream;
import org.bytedeco.dnnl.dnnl_version_t;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerPointer;
import org.quantrain.backend.shared.At;
import org.quantrain.backend.shared.LibraryFailure;
import org.quantrain.backend.shared.Scratch;
import org.quantrain.backend.shared.Steps;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_context;
import org.quantrain.runtime.QuantrainException;

/**
 * The little of oneDNN that is used, over its C interface, because executing a primitive then
 * creates no object. Memory is always the caller's, scratchpads included.
 */
final class Dnnl implements AutoCloseable {
  private final dnnl_engine engine = new dnnl_engine();
  private final dnnl_stream stream = new dnnl_stream();

  private final qt_context context;

  /**
   * @param context whose number of threads primitives are made for and run with
   */
  Dnnl(qt_context context) {
    this.context = context;
    check(dnnl_engine_create(engine, dnnl_cpu, 0), "engine");
    check(dnnl_stream_create(stream, engine, dnnl_stream_default_flags), "stream");
  }

  String version() {
    dnnl_version_t version = dnnl_version();
    return "oneDNN " + version.major() + "." + version.minor() + "." + version.patch();
  }

  dnnl_engine engine() {
    return engine;
  }

  @Override
  public void close() {
    dnnl_stream_destroy(stream);
    dnnl_engine_destroy(engine);
  }

  static void check(int status, String what) {
    if (status == dnnl_unimplemented) {
      throw new Unimplemented("oneDNN " + what + ": not implemented on this processor");
    }
    if (status != dnnl_success) {
      throw new Failure("oneDNN " + what + ": status " + status);
    }
  }

  /**
   * A call of oneDNN that failed; who knows the node turns it into a {@link QuantrainException}.
   */
  static class Failure extends LibraryFailure {
    private static final long serialVersionUID = 1L;

    Failure(String message) {
      super(message);
    }
  }

  /** What was asked for does not exist here, for instance products in bf16 without such units. */
  static final class Unimplemented extends Failure {
    private static final long serialVersionUID = 1L;

    Unimplemented(String message) {
      super(message);
    }
  }

  /** Argument of a primitive. */
  record Arg(int id, dnnl_memory_desc desc, Scratch.Region region) {}

  /** Descriptors that are needed only while primitives are made; closing frees them. */
  final class Making implements AutoCloseable {
    private final Deque<Runnable> frees = new ArrayDeque<>();

    /** Dense memory in the order of a oneDNN format tag. */
    dnnl_memory_desc desc(int type, int tag, long... dims) {
      dnnl_memory_desc desc = new dnnl_memory_desc();
      check(
          dnnl_memory_desc_create_with_tag(desc, dims.length, dims, type, tag),
          "memory descriptor");
      frees.push(() -> dnnl_memory_desc_destroy(desc));
      return desc;
    }

    /** Memory whose order the primitive chooses. */
    dnnl_memory_desc any(int type, long... dims) {
      return desc(type, dnnl_format_tag_any, dims);
    }

    /** Memory with strides in elements. */
    dnnl_memory_desc strided(int type, long[] dims, long[] strides) {
      dnnl_memory_desc desc = new dnnl_memory_desc();
      check(
          dnnl_memory_desc_create_with_strides(desc, dims.length, dims, type, strides),
          "memory descriptor");
      frees.push(() -> dnnl_memory_desc_destroy(desc));
      return desc;
    }

    /** Deterministic algorithms, scratchpad from us. */
    dnnl_primitive_attr attr() {
      dnnl_primitive_attr attr = new dnnl_primitive_attr();
      check(dnnl_primitive_attr_create(attr), "attributes");
      frees.push(() -> dnnl_primitive_attr_destroy(attr));
      check(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user), "scratchpad");
      check(dnnl_primitive_attr_set_deterministic(attr, 1), "deterministic");
      return attr;
    }

    /** Takes over a primitive descriptor that was just created with this status. */
    dnnl_primitive_desc primitive(dnnl_primitive_desc desc, int status, String what) {
      check(status, what);
      frees.push(() -> dnnl_primitive_desc_destroy(desc));
      return desc;
    }

    /** Adds the primitive with its scratchpad. */
    void add(Steps steps, dnnl_primitive_desc desc, Arg... args) {
      List<Arg> all = new ArrayList<>(List.of(args));
      dnnl_memory_desc pad = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
      long bytes = dnnl_memory_desc_get_size(pad);
      if (bytes > 0) {
        all.add(new Arg(DNNL_ARG_SCRATCHPAD, pad, steps.scratch().region(bytes)));
      }
      steps.add(new Primitive(desc, all));
    }

    /** Adds a change of order or type. */
    void addReorder(
        Steps steps,
        dnnl_memory_desc from,
        Scratch.Region source,
        dnnl_memory_desc to,
        Scratch.Region target) {
      dnnl_primitive_desc desc = new dnnl_primitive_desc();
      int status = dnnl_reorder_primitive_desc_create(desc, from, engine, to, engine, attr());
      add(
          steps,
          primitive(desc, status, "reorder"),
          new Arg(DNNL_ARG_FROM, from, source),
          new Arg(DNNL_ARG_TO, to, target));
    }

    /**
     * {@code source} in the order that a primitive wants: itself, or a part of the workspace that a
     * reorder fills at each run.
     */
    Scratch.Region ordered(
        Steps steps, dnnl_memory_desc have, Scratch.Region source, dnnl_memory_desc want) {
      if (dnnl_memory_desc_equal(have, want) != 0) {
        return source;
      }
      Scratch.Region target = steps.scratch().region(dnnl_memory_desc_get_size(want));
      addReorder(steps, have, source, want, target);
      return target;
    }

    @Override
    public void close() {
      frees.forEach(Runnable::run);
    }
  }

  /** Name of the implementation behind a primitive, for explain(). */
  static String implementation(dnnl_primitive_desc desc) {
    try (PointerPointer<BytePointer> name = new PointerPointer<>(1)) {
      check(dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, name), "query");
      return name.get(BytePointer.class).getString();
    }
  }

  /** A primitive with its memory bound. */
  private final class Primitive implements Steps.Step {
    private final dnnl_primitive primitive = new dnnl_primitive();
    private final dnnl_exec_arg_t args;
    private final int count;
    private final List<dnnl_memory> memories = new ArrayList<>();

    Primitive(dnnl_primitive_desc desc, List<Arg> bound) {
      QuantrainNative.qt_context_enter(context);
      check(dnnl_primitive_create(primitive, desc), "primitive");
      count = bound.size();
      args = new dnnl_exec_arg_t(count);
      for (int i = 0; i < count; i++) {
        Arg arg = bound.get(i);
        dnnl_memory memory = new dnnl_memory();
        check(dnnl_memory_create(memory, arg.desc(), engine, null), "memory");
        memories.add(memory);
        args.position(i).arg(arg.id()).memory(memory);
        arg.region()
            .whenKnown(
                address -> check(dnnl_memory_set_data_handle(memory, At.any(address)), "memory"));
      }
      args.position(0);
    }

    @Override
    public void run() {
      check(dnnl_primitive_execute(primitive, stream, count, args), "execute");
    }

    @Override
    public void close() {
      dnnl_primitive_destroy(primitive);
      memories.forEach(m -> dnnl_memory_destroy(m));
      args.close();
    }
  }
}
