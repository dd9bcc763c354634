package org.quantrain.backend.cuda;

import static org.bytedeco.cuda.global.cudart.cudaGetLastError;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_CONVOLUTION_COMP_TYPE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_CONVOLUTION_CONV_MODE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_CONVOLUTION_DILATIONS;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_CONVOLUTION_POST_PADDINGS;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_ENGINECFG_ENGINE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_ENGINEHEUR_MODE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_ENGINEHEUR_RESULTS;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_ENGINE_GLOBAL_INDEX;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_ENGINE_NUMERICAL_NOTE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_ENGINE_OPERATION_GRAPH;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_EXECUTION_PLAN_HANDLE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATIONGRAPH_HANDLE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATIONGRAPH_OPS;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_TENSOR_DATA_TYPE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_TENSOR_DIMENSIONS;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_TENSOR_STRIDES;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_TENSOR_UNIQUE_ID;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS;
import static org.bytedeco.cuda.global.cudnn.CUDNN_ATTR_VARIANT_PACK_WORKSPACE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR;
import static org.bytedeco.cuda.global.cudnn.CUDNN_BACKEND_ENGINECFG_DESCRIPTOR;
import static org.bytedeco.cuda.global.cudnn.CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR;
import static org.bytedeco.cuda.global.cudnn.CUDNN_BACKEND_ENGINE_DESCRIPTOR;
import static org.bytedeco.cuda.global.cudnn.CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR;
import static org.bytedeco.cuda.global.cudnn.CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR;
import static org.bytedeco.cuda.global.cudnn.CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR;
import static org.bytedeco.cuda.global.cudnn.CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR;
import static org.bytedeco.cuda.global.cudnn.CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR;
import static org.bytedeco.cuda.global.cudnn.CUDNN_BACKEND_TENSOR_DESCRIPTOR;
import static org.bytedeco.cuda.global.cudnn.CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR;
import static org.bytedeco.cuda.global.cudnn.CUDNN_CROSS_CORRELATION;
import static org.bytedeco.cuda.global.cudnn.CUDNN_DATA_BFLOAT16;
import static org.bytedeco.cuda.global.cudnn.CUDNN_DATA_FLOAT;
import static org.bytedeco.cuda.global.cudnn.CUDNN_HEUR_MODE_A;
import static org.bytedeco.cuda.global.cudnn.CUDNN_HEUR_MODE_FALLBACK;
import static org.bytedeco.cuda.global.cudnn.CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
import static org.bytedeco.cuda.global.cudnn.CUDNN_NUMERICAL_NOTE_FFT;
import static org.bytedeco.cuda.global.cudnn.CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
import static org.bytedeco.cuda.global.cudnn.CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION;
import static org.bytedeco.cuda.global.cudnn.CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_NUMERICAL_NOTE_TYPE_COUNT;
import static org.bytedeco.cuda.global.cudnn.CUDNN_NUMERICAL_NOTE_WINOGRAD;
import static org.bytedeco.cuda.global.cudnn.CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13;
import static org.bytedeco.cuda.global.cudnn.CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4;
import static org.bytedeco.cuda.global.cudnn.CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6;
import static org.bytedeco.cuda.global.cudnn.CUDNN_STATUS_BAD_PARAM;
import static org.bytedeco.cuda.global.cudnn.CUDNN_STATUS_INTERNAL_ERROR;
import static org.bytedeco.cuda.global.cudnn.CUDNN_STATUS_SUCCESS;
import static org.bytedeco.cuda.global.cudnn.CUDNN_TYPE_BACKEND_DESCRIPTOR;
import static org.bytedeco.cuda.global.cudnn.CUDNN_TYPE_CONVOLUTION_MODE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_TYPE_DATA_TYPE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_TYPE_FLOAT;
import static org.bytedeco.cuda.global.cudnn.CUDNN_TYPE_HANDLE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_TYPE_HEUR_MODE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_TYPE_INT64;
import static org.bytedeco.cuda.global.cudnn.CUDNN_TYPE_NUMERICAL_NOTE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_TYPE_VOID_PTR;
import static org.bytedeco.cuda.global.cudnn.cudnnBackendCreateDescriptor;
import static org.bytedeco.cuda.global.cudnn.cudnnBackendDestroyDescriptor;
import static org.bytedeco.cuda.global.cudnn.cudnnBackendExecute;
import static org.bytedeco.cuda.global.cudnn.cudnnBackendFinalize;
import static org.bytedeco.cuda.global.cudnn.cudnnBackendGetAttribute;
import static org.bytedeco.cuda.global.cudnn.cudnnBackendSetAttribute;
import static org.bytedeco.cuda.global.cudnn.cudnnCreate;
import static org.bytedeco.cuda.global.cudnn.cudnnDestroy;
import static org.bytedeco.cuda.global.cudnn.cudnnGetErrorString;
import static org.bytedeco.cuda.global.cudnn.cudnnGetLastErrorString;
import static org.bytedeco.cuda.global.cudnn.cudnnSetStream;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.cudnn.cudnnBackendDescriptor_t;
import org.bytedeco.cuda.cudnn.cudnnContext;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.quantrain.backend.shared.At;
import org.quantrain.backend.shared.Scratch;
import org.quantrain.backend.shared.Steps;

/**
 * The little of cuDNN that is used, over its C interface: graphs of one convolution. Descriptors
 * are made and an engine is chosen when a kernel is prepared; executing is one call.
 */
final class Cudnn implements AutoCloseable {
  /** What every address of an operand is a multiple of. */
  private static final long ALIGNMENT = 16;

  /** Engines that want more are not taken: faster ones than the rest rarely do. */
  private static final long MOST_WORKSPACE = 1L << 30;

  /** A list by cuDNN's model of speed, then one of engines that work nearly everywhere. */
  private static final int[] LISTS = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};

  private final cudnnContext handle = new cudnnContext();

  /**
   * @param stream a cudaStream_t of the current device
   */
  Cudnn(Pointer stream) {
    check(cudnnCreate(handle), "cudnnCreate");
    check(cudnnSetStream(handle, new CUstream_st(stream)), "cudnnSetStream");
  }

  @Override
  public void close() {
    cudnnDestroy(handle);
  }

  /** Which tensor of a convolution is computed from the other two. */
  enum Direction {
    FORWARD(
        CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA),
    BACKWARD_DATA(
        CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA),
    BACKWARD_WEIGHTS(
        CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA);

    private final int descriptor;
    private final int x;
    private final int w;
    private final int y;
    private final int convolution;
    private final int alpha;
    private final int beta;

    Direction(int descriptor, int x, int w, int y, int convolution, int alpha, int beta) {
      this.descriptor = descriptor;
      this.x = x;
      this.w = w;
      this.y = y;
      this.convolution = convolution;
      this.alpha = alpha;
      this.beta = beta;
    }
  }

  /** Types of the tensors of a convolution, of cudnnDataType_t. */
  private record Types(int x, int w, int y) {
    /** The result is float32. */
    static Types of(Direction direction, int operands) {
      return new Types(
          direction == Direction.BACKWARD_DATA ? CUDNN_DATA_FLOAT : operands,
          direction == Direction.BACKWARD_WEIGHTS ? CUDNN_DATA_FLOAT : operands,
          direction == Direction.FORWARD ? CUDNN_DATA_FLOAT : operands);
    }
  }

  /**
   * Adds a convolution or one of its gradients, with sums and result in float32.
   *
   * @param x with its margins; likewise y and w, the operands or the result as the direction says
   * @return how it is executed
   * @throws Unsupported before a step is added, if the rule leaves no engine
   */
  String add(
      Steps steps,
      Direction direction,
      ConvShape shape,
      boolean bf16,
      EngineRule rule,
      Scratch.Region x,
      Scratch.Region w,
      Scratch.Region y) {
    Descriptors made = new Descriptors();
    try {
      int operands = bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
      Descriptor graph = graph(made, direction, shape, Types.of(direction, operands));
      Plan plan = choose(made, graph, rule);
      Scratch.Region workspace =
          plan.workspace == 0
              ? Scratch.Region.fixed(0)
              : Alignment.region(steps.scratch(), plan.workspace);
      Convolution step = new Convolution(made, plan.descriptor);
      Addresses.whenKnown(List.of(x, w, y, workspace), step::bind);
      steps.add(step);
      return "cuDNN engine " + plan.engine;
    } catch (RuntimeException e) {
      made.close();
      throw e;
    }
  }

  private Descriptor graph(Descriptors made, Direction direction, ConvShape shape, Types types) {
    Descriptor convolution =
        made.create(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)
            .set(
                CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
            .set(
                CUDNN_ATTR_CONVOLUTION_CONV_MODE,
                CUDNN_TYPE_CONVOLUTION_MODE,
                CUDNN_CROSS_CORRELATION)
            .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 2L)
            .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, array(shape.dilation()))
            .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, array(shape.stride()))
            .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, array(shape.padding()))
            .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, array(shape.padding()))
            .finish();
    Descriptor operation =
        made.create(direction.descriptor)
            .set(direction.x, tensor(made, Convolution.X, types.x, shape.x()))
            .set(direction.w, tensor(made, Convolution.W, types.w, shape.w()))
            .set(direction.y, tensor(made, Convolution.Y, types.y, shape.y()))
            .set(direction.convolution, convolution)
            .set(direction.alpha, 1f)
            .set(direction.beta, 0f)
            .finish();
    return made.create(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)
        .set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation)
        .set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, handle)
        .finish();
  }

  private static Descriptor tensor(
      Descriptors made, long id, int type, ConvShape.Tensor tensor) {
    return made.create(CUDNN_BACKEND_TENSOR_DESCRIPTOR)
        .set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type)
        .set(CUDNN_ATTR_TENSOR_DIMENSIONS, array(tensor.dims()))
        .set(CUDNN_ATTR_TENSOR_STRIDES, array(tensor.strides()))
        .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id)
        .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, ALIGNMENT)
        .finish();
  }

  private static long[] array(List<Long> values) {
    return values.stream().mapToLong(Long::longValue).toArray();
  }

  private record Plan(Descriptor descriptor, long engine, long workspace) {}

  /**
   * The first engine that the rule allows and that takes the graph: of cuDNN's two lists, then of
   * all there are. The same libraries on the same device give the same one.
   */
  private Plan choose(Descriptors made, Descriptor graph, EngineRule rule) {
    Refusals refusals = new Refusals();
    for (int list : LISTS) {
      for (Descriptor config : listed(made, graph, list, refusals)) {
        Plan plan = plan(made, config, rule, refusals);
        if (plan != null) {
          return plan;
        }
      }
    }
    long engines = graph.getLong(CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT);
    for (long i = 0; i < engines; i++) {
      Descriptor config = plain(made, graph, i, refusals);
      Plan plan = config == null ? null : plan(made, config, rule, refusals);
      if (plan != null) {
        return plan;
      }
    }
    throw new Unsupported(refusals.text(rule));
  }

  private static List<Descriptor> listed(
      Descriptors made, Descriptor graph, int list, Refusals refusals) {
    try {
      Descriptor heuristics =
          made.create(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR)
              .set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
              .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, list)
              .finish();
      return heuristics.getDescriptors(
          CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, made);
    } catch (Unsupported e) {
      refusals.add(e);
      return List.of();
    }
  }

  /** An engine by its number, with the settings that it has by itself; null if it cannot. */
  private static Descriptor plain(
      Descriptors made, Descriptor graph, long engine, Refusals refusals) {
    try {
      Descriptor chosen =
          made.create(CUDNN_BACKEND_ENGINE_DESCRIPTOR)
              .set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph)
              .set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, engine)
              .finish();
      return made.create(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)
          .set(CUDNN_ATTR_ENGINECFG_ENGINE, chosen)
          .finish();
    } catch (Unsupported e) {
      refusals.add(e);
      return null;
    }
  }

  /** Null if the rule does not allow the engine, or it does not take the graph. */
  private Plan plan(Descriptors made, Descriptor config, EngineRule rule, Refusals refusals) {
    try {
      Descriptor engine =
          config.getDescriptor(
              CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, made);
      if (!rule.allows(notes(engine))) {
        refusals.addByRule();
        return null;
      }
      Descriptor plan =
          made.create(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)
              .set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config)
              .set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, handle)
              .finish();
      long workspace = plan.getLong(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
      if (workspace > MOST_WORKSPACE) {
        refusals.add(new Unsupported("an engine wants " + workspace + " bytes of workspace"));
        return null;
      }
      return new Plan(plan, engine.getLong(CUDNN_ATTR_ENGINE_GLOBAL_INDEX), workspace);
    } catch (Unsupported e) {
      refusals.add(e);
      return null;
    }
  }

  private static Set<EngineRule.Note> notes(Descriptor engine) {
    Set<EngineRule.Note> notes = EnumSet.noneOf(EngineRule.Note.class);
    for (int note :
        engine.getInts(
            CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
            CUDNN_TYPE_NUMERICAL_NOTE,
            CUDNN_NUMERICAL_NOTE_TYPE_COUNT)) {
      switch (note) {
        case CUDNN_NUMERICAL_NOTE_TENSOR_CORE -> notes.add(EngineRule.Note.TENSOR_CORE);
        case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS ->
            notes.add(EngineRule.Note.DOWN_CONVERT_INPUTS);
        case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION ->
            notes.add(EngineRule.Note.REDUCED_PRECISION_REDUCTION);
        case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC -> notes.add(EngineRule.Note.NONDETERMINISTIC);
        case CUDNN_NUMERICAL_NOTE_FFT -> notes.add(EngineRule.Note.FFT);
        case CUDNN_NUMERICAL_NOTE_WINOGRAD,
            CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4,
            CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6,
            CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13 ->
            notes.add(EngineRule.Note.WINOGRAD);
        default -> {
          // What NaN becomes; or newer than this.
        }
      }
    }
    return notes;
  }

  /** Why engines were not taken, for the message when none was. */
  private static final class Refusals {
    private int byRule;
    private int byLibrary;
    private String first = "";

    void addByRule() {
      byRule++;
    }

    void add(Unsupported e) {
      first = byLibrary++ == 0 ? "; first: " + e.getMessage() : first;
    }

    String text(EngineRule rule) {
      return "cuDNN has no engine for this convolution (%s): %d are not, %d do not take it%s"
          .formatted(rule, byRule, byLibrary, first);
    }
  }

  private static void check(int status, String what) {
    if (status == CUDNN_STATUS_SUCCESS) {
      return;
    }
    String text =
        "cuDNN: %s: %s%s"
            .formatted(what, cudnnGetErrorString(status).getString(), lastError());
    if (status >= CUDNN_STATUS_BAD_PARAM && status < CUDNN_STATUS_INTERNAL_ERROR) {
      throw new Unsupported(text);
    }
    throw CudaFailure.ofCudnn(status, cudaGetLastError()).of(text);
  }

  /** The library's own words on the failed call; empty if it has none. */
  private static String lastError() {
    byte[] text = new byte[1024];
    cudnnGetLastErrorString(text, text.length);
    int length = 0;
    while (length < text.length && text[length] != 0) {
      length++;
    }
    String words = new String(text, 0, length, StandardCharsets.UTF_8).strip();
    return words.isEmpty() ? "" : " (" + words.replaceAll("\\s+", " ") + ")";
  }

  /** Descriptors that live as long as the kernel that needs them. */
  private static final class Descriptors implements AutoCloseable {
    private final Deque<cudnnBackendDescriptor_t> all = new ArrayDeque<>();

    Descriptor create(int type) {
      cudnnBackendDescriptor_t pointer = new cudnnBackendDescriptor_t();
      check(cudnnBackendCreateDescriptor(type, pointer), "descriptor " + type);
      all.push(pointer);
      return new Descriptor(pointer);
    }

    @Override
    public void close() {
      all.forEach(pointer -> cudnnBackendDestroyDescriptor(pointer));
      all.clear();
    }
  }

  /** A descriptor and its attributes, which are read when they are set. */
  private record Descriptor(cudnnBackendDescriptor_t pointer) {
    private Descriptor set(int name, int type, long count, Pointer elements) {
      check(
          cudnnBackendSetAttribute(pointer, name, type, count, elements), "attribute " + name);
      return this;
    }

    Descriptor set(int name, long... values) {
      try (LongPointer elements = new LongPointer(values)) {
        return set(name, CUDNN_TYPE_INT64, values.length, elements);
      }
    }

    /** An attribute of an enum. */
    Descriptor set(int name, int type, int value) {
      try (IntPointer element = new IntPointer(1).put(value)) {
        return set(name, type, 1, element);
      }
    }

    Descriptor set(int name, float value) {
      try (FloatPointer element = new FloatPointer(1).put(value)) {
        return set(name, CUDNN_TYPE_FLOAT, 1, element);
      }
    }

    Descriptor set(int name, Descriptor value) {
      return setPointers(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.pointer);
    }

    Descriptor set(int name, cudnnContext value) {
      return setPointers(name, CUDNN_TYPE_HANDLE, value);
    }

    Descriptor setPointers(int name, int type, Pointer... values) {
      try (PointerPointer<Pointer> elements = new PointerPointer<>(values.length)) {
        for (int i = 0; i < values.length; i++) {
          elements.put(i, values[i]);
        }
        return set(name, type, values.length, elements);
      }
    }

    Descriptor finish() {
      check(cudnnBackendFinalize(pointer), "finalize");
      return this;
    }

    private long get(int name, int type, long room, Pointer elements) {
      long[] count = new long[1];
      check(
          cudnnBackendGetAttribute(pointer, name, type, room, count, elements),
          "attribute " + name);
      return count[0];
    }

    long getLong(int name) {
      try (LongPointer element = new LongPointer(1).put(0)) {
        get(name, CUDNN_TYPE_INT64, 1, element);
        return element.get();
      }
    }

    int[] getInts(int name, int type, int most) {
      try (IntPointer elements = new IntPointer(most)) {
        int[] values = new int[(int) Math.min(get(name, type, most, elements), most)];
        elements.get(values);
        return values;
      }
    }

    Descriptor getDescriptor(int name, int ofType, Descriptors made) {
      return filled(name, ofType, 1, made).get(0);
    }

    List<Descriptor> getDescriptors(int name, int ofType, Descriptors made) {
      return filled(name, ofType, (int) get(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, null), made);
    }

    /** The library fills descriptors that it is given. */
    private List<Descriptor> filled(int name, int ofType, int count, Descriptors made) {
      List<Descriptor> filled = new ArrayList<>();
      try (PointerPointer<Pointer> elements = new PointerPointer<>(Math.max(count, 1))) {
        for (int i = 0; i < count; i++) {
          filled.add(made.create(ofType));
          elements.put(i, filled.get(i).pointer);
        }
        long given = get(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, elements);
        return filled.subList(0, (int) Math.min(given, count));
      }
    }
  }

  /** A convolution with its engine and, once it is known, its memory. */
  private final class Convolution implements Steps.Step {
    private static final long X = 1;
    private static final long W = 2;
    private static final long Y = 3;

    private final Descriptors made;
    private final cudnnBackendDescriptor_t plan;
    private cudnnBackendDescriptor_t memory;

    Convolution(Descriptors made, Descriptor plan) {
      this.made = made;
      this.plan = plan.pointer;
    }

    /** Of x, w, y and the workspace, which may be 0. */
    private void bind(long[] addresses) {
      memory =
          made.create(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)
              .set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, X, W, Y)
              .setPointers(
                  CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                  CUDNN_TYPE_VOID_PTR,
                  At.any(addresses[0]),
                  At.any(addresses[1]),
                  At.any(addresses[2]))
              .setPointers(
                  CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, At.any(addresses[3]))
              .finish()
              .pointer;
    }

    @Override
    public void run() {
      check(cudnnBackendExecute(handle, plan, memory), "convolution");
    }

    @Override
    public void close() {
      made.close();
    }
  }
}
