package org.quantrain.backend.cuda;

import static org.bytedeco.cuda.global.cublas.cublasLtGetVersion;
import static org.bytedeco.cuda.global.cudart.cudaDriverGetVersion;
import static org.bytedeco.cuda.global.cudart.cudaGetLastError;
import static org.bytedeco.cuda.global.cudart.cudaRuntimeGetVersion;
import static org.bytedeco.cuda.global.cudart.cudaSetDevice;
import static org.bytedeco.cuda.global.cudnn.cudnnGetVersion;

import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.backend.shared.At;
import org.quantrain.backend.shared.LibraryFailure;
import org.quantrain.backend.shared.NativeContext;
import org.quantrain.backend.shared.NativeTypes;
import org.quantrain.backend.shared.Scratch;
import org.quantrain.backend.shared.SharedProducts;
import org.quantrain.backend.shared.Sizes;
import org.quantrain.backend.shared.Steps;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_add_bias_args;
import org.quantrain.internal.bind.qt_dequantize_args;
import org.quantrain.internal.bind.qt_strided_copy_args;
import org.quantrain.op.Conv2d;
import org.quantrain.op.Conv2dBackwardData;
import org.quantrain.op.Conv2dBackwardWeights;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.ConvTranspose2d;
import org.quantrain.op.Linear;
import org.quantrain.op.LinearBackwardData;
import org.quantrain.op.LinearBackwardWeights;
import org.quantrain.op.MatMul;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.runtime.FloatProducts;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.QuantrainException;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;

/**
 * Products by cuDNN and cuBLASLt. Operands are read where they lie; results and sums are float32.
 * Products of bf16 numbers for which a library has no kernel are made of the same numbers in
 * float32, in which they may count as TF32: they are.
 */
final class LibraryProducts implements Products {
  /** Makes the kernel of one operation. */
  @FunctionalInterface
  private interface Factory {
    Kernel create(LibraryProducts products, Binding binding);
  }

  private static final Map<Class<? extends Op>, Factory> KERNELS =
      Map.ofEntries(
          Map.entry(Conv2d.class, LibraryProducts::conv2d),
          Map.entry(Conv2dBackwardData.class, LibraryProducts::conv2dBackwardData),
          Map.entry(Conv2dBackwardWeights.class, LibraryProducts::conv2dBackwardWeights),
          Map.entry(ConvTranspose2d.class, LibraryProducts::convTranspose2d),
          Map.entry(Linear.class, LibraryProducts::linear),
          Map.entry(LinearBackwardData.class, LibraryProducts::linearBackwardData),
          Map.entry(LinearBackwardWeights.class, LibraryProducts::linearBackwardWeights),
          Map.entry(MatMul.class, LibraryProducts::matMul));

  private final NativeContext context;
  private final FloatProducts options;
  private final CudaVersions versions;
  private final Cudnn cudnn;
  private final CublasLt cublas;

  private LibraryProducts(
      NativeContext context, Pointer stream, CudaVersions versions, FloatProducts options) {
    this.context = context;
    this.options = options;
    this.versions = versions;
    cudnn = new Cudnn(stream);
    try {
      cublas = new CublasLt(stream);
    } catch (RuntimeException e) {
      cudnn.close();
      throw e;
    }
  }

  /**
   * Loads the libraries and opens them on a device.
   *
   * @param context whose device is the calling thread's
   * @param device its number
   * @param stream a cudaStream_t of the context
   * @throws QuantrainException if a library is missing, too old or does not work here, with what to
   *     do
   */
  static LibraryProducts open(
      NativeContext context,
      int device,
      Pointer stream,
      CudaLibraries libraries,
      FloatProducts options) {
    CudaVersions versions = load(libraries);
    versions.require();
    try {
      int status = cudaSetDevice(device);
      if (status != 0) {
        throw CudaFailure.ofCuda(status).of("cuda:" + device + ": status " + status);
      }
      return new LibraryProducts(context, stream, versions, options);
    } catch (LibraryFailure e) {
      throw new QuantrainException(e.getMessage(), e);
    }
  }

  /**
   * Loads the libraries.
   *
   * @throws QuantrainException naming what is missing or does not load
   */
  static CudaVersions load(CudaLibraries libraries) {
    libraries.load();
    try {
      int[] driver = new int[1];
      int[] runtime = new int[1];
      cudaDriverGetVersion(driver);
      cudaRuntimeGetVersion(runtime);
      cudaGetLastError(); // Without a driver both complain, and the versions say so themselves.
      return new CudaVersions(driver[0], runtime[0], cublasLtGetVersion(), cudnnGetVersion());
    } catch (LinkageError e) {
      throw libraries.failure(e);
    }
  }

  @Override
  public boolean takes(Node node) {
    return KERNELS.containsKey(node.op().getClass());
  }

  @Override
  public Kernel prepare(Binding binding) {
    Factory factory = KERNELS.get(binding.node().op().getClass());
    if (factory == null) {
      throw binding.failure("this is no product of floats");
    }
    return factory.create(this, binding);
  }

  @Override
  public String description() {
    return "cuDNN %s, cuBLASLt %s, CUDA runtime %s, %s"
        .formatted(
            CudaVersions.library(versions.cudnn()),
            CudaVersions.library(versions.cublas()),
            CudaVersions.cuda(versions.runtime()),
            options);
  }

  @Override
  public void close() {
    cublas.close();
    cudnn.close();
  }

  /**
   * The two operands of a product.
   *
   * @param bf16 their type, else float32
   * @param tf32 whether float32 may be seen as TF32
   */
  private record Factors(boolean bf16, boolean tf32, Scratch.Region first, Scratch.Region second) {
    int bytes() {
      return bf16 ? 2 : Float.BYTES;
    }
  }

  /** Adds the steps of a product and says how it is executed. */
  @FunctionalInterface
  private interface Recipe {
    String add(Steps steps, Factors factors);
  }

  /** The product of the first two inputs, in the type they have, or else widened. */
  private Steps product(Binding b, Recipe recipe) {
    Scratch.Region first = region(b.input(0));
    Scratch.Region second = region(b.input(1));
    if (b.input(0).spec().dtype() == DType.F32) {
      return build(b, steps -> recipe.add(steps, floats(first, second)));
    }
    try {
      return attempt(b, steps -> recipe.add(steps, new Factors(true, true, first, second)));
    } catch (Unsupported unsupported) {
      return build(
          b,
          steps -> {
            Scratch.Region left = SharedProducts.widened(context, steps, b, b.input(0));
            Scratch.Region right = SharedProducts.widened(context, steps, b, b.input(1));
            return "bf16 widened, " + recipe.add(steps, new Factors(false, true, left, right));
          });
    } catch (LibraryFailure e) {
      throw b.failure(e.getMessage());
    }
  }

  private Factors floats(Scratch.Region first, Scratch.Region second) {
    return new Factors(false, options.tf32(), first, second);
  }

  /** Adds steps and says how they are executed. */
  @FunctionalInterface
  private interface Building {
    String add(Steps steps);
  }

  private static Steps build(Binding b, Building building) {
    try {
      return attempt(b, building);
    } catch (Unsupported e) {
      throw b.failure(
          e.getMessage() + "; --tf32 true and --deterministic false allow more of them");
    } catch (LibraryFailure e) {
      throw b.failure(e.getMessage());
    }
  }

  private static Steps attempt(Binding b, Building building) {
    Steps steps = new Steps(b);
    try {
      return steps.lowered(building.add(steps));
    } catch (RuntimeException e) {
      steps.close();
      throw e;
    }
  }

  private static Scratch.Region region(Operand operand) {
    return Scratch.Region.fixed(operand.address());
  }

  private Kernel conv2d(Binding b) {
    ConvGeometry geometry = ((Conv2d) b.node().op()).geometry();
    ConvShape shape = ConvShape.of(geometry, shape(b.input(0)), shape(b.input(1)));
    Steps steps =
        product(
            b,
            (building, f) ->
                cudnn.add(
                    building,
                    Cudnn.Direction.FORWARD,
                    shape,
                    f.bf16(),
                    EngineRule.of(options, f.tf32()),
                    withMargin(building, b, shape, f.bytes(), f.first()),
                    f.second(),
                    region(b.output(0))));
    return withBias(steps, b);
  }

  private Kernel conv2dBackwardData(Binding b) {
    ConvGeometry geometry = ((Conv2dBackwardData) b.node().op()).geometry();
    ConvShape shape = ConvShape.of(geometry, shape(b.output(0)), shape(b.input(1)));
    return product(b, (steps, f) -> addBackwardData(steps, b, shape, f));
  }

  /** The gradient of a convolution's input as a layer of its own, then the bias. */
  private Kernel convTranspose2d(Binding b) {
    ConvGeometry geometry = ((ConvTranspose2d) b.node().op()).geometry();
    ConvShape shape = ConvShape.of(geometry, shape(b.output(0)), shape(b.input(1)));
    return withBias(product(b, (steps, f) -> addBackwardData(steps, b, shape, f)), b);
  }

  private String addBackwardData(Steps steps, Binding b, ConvShape shape, Factors f) {
    Scratch.Region dx =
        shape.margin().isNone()
            ? region(b.output(0))
            : steps.scratch().region(Float.BYTES * shape.x().elements());
    String how =
        cudnn.add(
            steps,
            Cudnn.Direction.BACKWARD_DATA,
            shape,
            f.bf16(),
            EngineRule.of(options, f.tf32()),
            dx,
            f.second(),
            f.first());
    if (!shape.margin().isNone()) {
      qt_strided_copy_args inside =
          copy(shape.inner(), shape.x(), shape.inner(), Float.BYTES).y(At.any(b.output(0)));
      dx.whenKnown(address -> inside.x(At.any(address + Float.BYTES * shape.inside())));
      steps.add(context.call(b, inside, QuantrainNative::qt_strided_copy));
    }
    return how;
  }

  private Kernel conv2dBackwardWeights(Binding b) {
    ConvGeometry geometry = ((Conv2dBackwardWeights) b.node().op()).geometry();
    ConvShape shape = ConvShape.of(geometry, shape(b.input(0)), shape(b.output(0)));
    Recipe recipe =
        (steps, f) ->
            cudnn.add(
                steps,
                Cudnn.Direction.BACKWARD_WEIGHTS,
                shape,
                f.bf16(),
                EngineRule.of(options, f.tf32()),
                withMargin(steps, b, shape, f.bytes(), f.first()),
                region(b.output(0)),
                f.second());
    return b.input(0).spec().dtype().isCodes()
        ? build(b, steps -> recipe.add(steps, floats(dequantized(steps, b), region(b.input(1)))))
        : product(b, recipe);
  }

  /** The values of codes; scale and zero-point are the third and fourth input. */
  private Scratch.Region dequantized(Steps steps, Binding b) {
    Operand codes = b.input(0);
    long n = Sizes.elements(codes);
    Scratch.Region values = steps.scratch().region(Float.BYTES * n);
    qt_dequantize_args args =
        new qt_dequantize_args()
            .codes(At.any(codes))
            .scale(At.floats(b.input(2)))
            .zero_point(At.ints(b.input(3)))
            .outer(1)
            .channels(1)
            .inner(n)
            .code_type(NativeTypes.codeType(codes));
    values.whenKnown(address -> args.y(At.floats(address)));
    steps.add(context.call(b, args, QuantrainNative::qt_dequantize));
    return values;
  }

  /** x, brought between margins of zeros where the convolution has some. */
  private Scratch.Region withMargin(
      Steps steps, Binding b, ConvShape shape, int elementBytes, Scratch.Region x) {
    if (shape.margin().isNone()) {
      return x;
    }
    Scratch.Region padded = steps.scratch().region(elementBytes * shape.x().elements());
    qt_strided_copy_args zeros = copy(shape.x(), null, shape.x(), elementBytes);
    padded.whenKnown(address -> zeros.y(At.any(address)));
    steps.add(context.call(b, zeros, QuantrainNative::qt_strided_copy));
    qt_strided_copy_args values = copy(shape.inner(), shape.inner(), shape.x(), elementBytes);
    x.whenKnown(address -> values.x(At.any(address)));
    padded.whenKnown(address -> values.y(At.any(address + elementBytes * shape.inside())));
    steps.add(context.call(b, values, QuantrainNative::qt_strided_copy));
    return padded;
  }

  /**
   * A copy of a tensor of this size between memory with the strides of two others.
   *
   * @param from null for zeros
   */
  private static qt_strided_copy_args copy(
      ConvShape.Tensor size, ConvShape.Tensor from, ConvShape.Tensor to, int elementBytes) {
    qt_strided_copy_args args = new qt_strided_copy_args().element_bytes(elementBytes).x(null);
    int[] memoryOrder = {0, 2, 3, 1};
    for (int i = 0; i < 6; i++) {
      int dim = i < 2 ? -1 : memoryOrder[i - 2];
      args.size(i, dim < 0 ? 1 : size.dims().get(dim))
          .x_stride(i, dim < 0 || from == null ? 0 : from.strides().get(dim))
          .y_stride(i, dim < 0 ? 0 : to.strides().get(dim));
    }
    return args;
  }

  /** Adds the third input, where there is one, to the output. */
  private Steps withBias(Steps steps, Binding b) {
    if (b.inputs().size() == 2) {
      return steps;
    }
    Operand y = b.output(0);
    return steps.add(
        context.call(
            b,
            new qt_add_bias_args()
                .x(At.floats(y))
                .bias(At.floats(b.input(2)))
                .y(At.floats(y))
                .rows(Sizes.rows(y))
                .channels(Sizes.channels(y)),
            QuantrainNative::qt_add_bias));
  }

  /** y [N,O] = x [N,I] w^T + bias, w [O,I]. */
  private Kernel linear(Binding b) {
    Shape x = shape(b.input(0));
    Shape w = shape(b.input(1));
    return withBias(
        matrices(b, MatrixProduct.single(x.dim(0), w.dim(0), x.dim(1), false, true)), b);
  }

  /** dx [N,I] = dy [N,O] w [O,I]. */
  private Kernel linearBackwardData(Binding b) {
    Shape dy = shape(b.input(0));
    Shape w = shape(b.input(1));
    return matrices(b, MatrixProduct.single(dy.dim(0), w.dim(1), w.dim(0), false, false));
  }

  /** dw [O,I] = dy^T [O,N] x [N,I]; x is the first input. */
  private Kernel linearBackwardWeights(Binding b) {
    Shape x = shape(b.input(0));
    Shape dy = shape(b.input(1));
    MatrixProduct product = MatrixProduct.single(dy.dim(1), x.dim(1), x.dim(0), true, false);
    return product(
        b,
        (steps, f) ->
            cublas.add(
                steps,
                new MatrixProduct.Placed(product, 0, 0, 0),
                f.bf16(),
                f.tf32(),
                f.second(),
                f.first(),
                region(b.output(0))));
  }

  private Kernel matMul(Binding b) {
    MatMul op = (MatMul) b.node().op();
    return matrices(
        b,
        MatrixProduct.broadcast(
            shape(b.input(0)), shape(b.input(1)), shape(b.output(0)), op.transA(), op.transB()));
  }

  private Steps matrices(Binding b, MatrixProduct product) {
    return matrices(b, List.of(new MatrixProduct.Placed(product, 0, 0, 0)));
  }

  /** The first input times the second. */
  private Steps matrices(Binding b, List<MatrixProduct.Placed> products) {
    return product(
        b,
        (steps, f) -> {
          String how = "";
          for (MatrixProduct.Placed placed : products) {
            how =
                cublas.add(
                    steps, placed, f.bf16(), f.tf32(), f.first(), f.second(), region(b.output(0)));
          }
          return how;
        });
  }

  private static Shape shape(Operand operand) {
    return operand.spec().shape();
  }
}
