package org.quantrain.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code quantrain train}. */
@Command(
    name = "train",
    description =
        "Train a network in float, then quantization-aware; export the integer model and prove it"
            + " equal to what was trained.",
    sortOptions = false,
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {
      "",
      "Data SPEC: digits (embedded), mnist, fashion-mnist, cifar10, imagefolder:FOLDER (one folder",
      "for each class, in train and test), cifar:FOLDER or idx:FOLDER; then ?limit=N, size=N,",
      "mean=.., std=.. joined by &, as in 'imagefolder:pets?size=224&mean=0.5&std=0.25'.",
      "Settings can also stand in a file, under the names of the options; options win over the"
          + " file.",
      "",
      "Examples:",
      "  quantrain train",
      "  quantrain train --data fashion-mnist --model resnet8 --wbits 4 --override 'block3.*=W2A4'",
      "  quantrain train --quantizer lsq --wbits 2 --abits 2",
      "  quantrain train --config run.yaml --lr 0.02 --out runs/try",
      "  quantrain train --resume runs/try",
      "  quantrain train --data fashion-mnist --model resnet8 --processes 4"
    })
final class TrainCommand extends Verb {
  private static final List<String> MACHINE =
      List.of("processes", "threads", "input-threads", "device");

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "Settings in YAML, such as a run's config.yaml.")
  private Path config;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description = "The run's folder; default: runs/DATA-MODEL-BITS-N, the next N that is free.")
  private Path out;

  @Option(
      names = "--resume",
      paramLabel = "DIR",
      description = "Continue the run in this folder from its last checkpoint.")
  private Path resume;

  @Mixin private CudaLibrariesOption cudaLibraries;

  @Spec private CommandSpec spec;

  @ArgGroup(validate = false, heading = "%nWhat is trained:%n", order = 1)
  private Subject subject = new Subject();

  @ArgGroup(validate = false, heading = "%nQuantization:%n", order = 2)
  private Quantization quantization = new Quantization();

  @ArgGroup(validate = false, heading = "%nTraining:%n", order = 3)
  private Schedule schedule = new Schedule();

  @ArgGroup(validate = false, heading = "%nMachine:%n", order = 4)
  private Machine machine = new Machine();

  TrainCommand(Console console) {
    super(console);
  }

  private static final class Subject {
    @Option(
        names = "--model",
        paramLabel = "NAME|FILE",
        description = {
          "lenet (default), resnet8, resnet20, resnet32, resnet56, resnet18, resnet34, resnet50,",
          "mobilenetv1, mobilenetv2 (options as in 'mobilenetv2?width=0.5&activation=relu'),",
          "vgg11, vit-tiny (options as in 'vit-tiny?patch=2&dim=64&depth=4&heads=4'),",
          "or a float ONNX file, trained already."
        })
    private String model;

    @Option(
        names = "--replace-head",
        description = "Give a model from a file a new last layer, for the classes of the images.")
    private Boolean replaceHead;

    @Option(names = "--data", paramLabel = "SPEC", description = "The images; default: digits.")
    private String data;
  }

  private static final class Quantization extends QuantizationOptions {
    @Option(
        names = "--quantizer",
        paramLabel = "NAME",
        description =
            "How scales are found: ema (default) by moving averages of minimum and maximum; or"
                + " learned: lsq, lsq+ (zero-points too), pact (clips of activations), dsq (soft"
                + " gradients).")
    private String quantizer;
  }

  private static final class Schedule {
    @Option(
        names = "--epochs",
        paramLabel = "N",
        description = "Epochs in float; default: by the number of images, 0 for an ONNX file.")
    private Integer epochs;

    @Option(
        names = "--qat-epochs",
        paramLabel = "N",
        description = "Quantization-aware epochs; default: by the number of images.")
    private Integer qatEpochs;

    @Option(
        names = "--batch",
        paramLabel = "N",
        description = "Images per step, at least 2; default 32, or 128 from 10,000 images on.")
    private Integer batch;

    @Option(
        names = "--lr",
        paramLabel = "RATE",
        description = "Peak learning rate in float, above 0; default 0.05.")
    private Float lr;

    @Option(
        names = "--qat-lr",
        paramLabel = "RATE",
        description = "Peak learning rate, quantization-aware, above 0; default 0.01.")
    private Float qatLr;

    @Option(
        names = "--momentum",
        paramLabel = "M",
        description = "Momentum of SGD, 0 to below 1; default 0.9.")
    private Float momentum;

    @Option(
        names = "--weight-decay",
        paramLabel = "D",
        description = "Decay of convolution and linear weights.")
    private Float weightDecay;

    @Option(
        names = "--label-smoothing",
        paramLabel = "E",
        description = "Probability that is spread over all classes.")
    private Float labelSmoothing;

    @Option(
        names = "--calibration-batches",
        paramLabel = "N",
        description = "Batches that set the first ranges.")
    private Integer calibrationBatches;

    @Option(
        names = "--quant-delay",
        paramLabel = "STEPS",
        description = "Steps of the quantized stage that still train in float; default 0.")
    private Integer quantDelay;

    @Option(
        names = "--freeze-from",
        paramLabel = "FRACTION",
        description = "From here on ranges and batch-norm statistics are frozen.")
    private Float freezeFrom;

    @Option(
        names = "--observer-momentum",
        paramLabel = "M",
        description = "Weight of a new batch in the ranges.")
    private Float observerMomentum;

    @Option(
        names = "--validation",
        paramLabel = "FRACTION",
        description = "Training images held out to choose the best epoch, 0 to 0.5; default 0.1.")
    private Float validation;

    @Option(
        names = "--augment",
        paramLabel = "KIND",
        description = {
          "What is done to training images: none (default), flip, crop:PIXELS or",
          "crop-flip:PIXELS (padded, then cut out), resize-crop or resize-crop-flip (a part of",
          "0.08 of the area or more, scaled; resize-crop:0.25 for other shares)."
        })
    private String augment;

    @Option(
        names = "--lowering",
        paramLabel = "KIND",
        description =
            "integer (default) or simulated: how codes are multiplied in training; same bits.")
    private String lowering;

    @Option(
        names = "--compute",
        paramLabel = "TYPE",
        description = {
          "f32 (default) or bf16: what gradients multiply, and the float stage;",
          "sums and parameters stay float32. Faster on processors with bf16 units."
        })
    private String compute;

    @Option(
        names = "--tf32",
        paramLabel = "true|false",
        arity = "1",
        description =
            "On CUDA: products of float32 may drop 13 bits of their operands, for tensor units;"
                + " default false.")
    private Boolean tf32;

    @Option(
        names = "--deterministic",
        paramLabel = "true|false",
        arity = "1",
        description =
            "On CUDA: products of floats have the same bits in every run (default); false allows"
                + " faster algorithms, which may also transform convolutions.")
    private Boolean deterministic;

    @Option(
        names = "--accumulate",
        paramLabel = "N",
        description =
            "Equal parts that a batch is run in, in the memory of one; default 1. Their gradients"
                + " are averaged.")
    private Integer accumulate;

    @Option(
        names = "--sync-batch-norm",
        paramLabel = "true|false",
        arity = "1",
        description =
            "With several processes: statistics of batch norm over the images of all, as in one"
                + " (default), or of each by itself.")
    private Boolean syncBatchNorm;

    @Option(names = "--seed", paramLabel = "N", description = "Of weights and order; default 1.")
    private Long seed;
  }

  private static final class Machine {
    @Option(
        names = "--device",
        paramLabel = "NAME",
        description =
            "auto (default), cpu, cuda or cuda:N: a CUDA device by its number, from 0. Several"
                + " processes take a device each, from 0 on.")
    private String device;

    @Option(
        names = "--processes",
        paramLabel = "N",
        description =
            "Processes on this machine that share every batch; default 1. --batch stays the number"
                + " of images of all of them.")
    private Integer processes;

    @Option(
        names = "--threads",
        paramLabel = "N",
        description =
            "Threads of each process, 1 to 1024; default: the cores, shared among the processes.")
    private Integer threads;

    @Option(
        names = "--input-threads",
        paramLabel = "N",
        description =
            "Threads that decode and augment images ahead of the steps, 1 to 1024; default: as many"
                + " as compute. The result is the same for any number.")
    private Integer inputThreads;
  }

  @Override
  public Integer call() throws Exception {
    refuseRepeated(spec);
    RunConfig.requireThreads("threads", machine.threads);
    RunConfig.requireThreads("input-threads", machine.inputThreads);
    ObjectNode given = given();
    if (resume != null) {
      if (config != null || out != null || !onlyMachine(given)) {
        throw new UsageException(
            "--resume goes on with the settings of the run; it takes --processes, --threads,"
                + " --input-threads and --device only");
      }
      return TrainRun.resume(console(), resume, given).execute();
    }
    ObjectNode settings = config == null ? ConfigFile.emptyTree() : ConfigFile.read(config);
    settings.setAll(given);
    return TrainRun.start(console(), settings, out).execute();
  }

  private static boolean onlyMachine(ObjectNode given) {
    for (var names = given.fieldNames(); names.hasNext(); ) {
      if (!MACHINE.contains(names.next())) {
        return false;
      }
    }
    return true;
  }

  /** The settings that were typed, under their names in config.yaml. */
  private ObjectNode given() {
    ObjectNode given = ConfigFile.emptyTree();
    ConfigFile.put(given, "model", subject.model);
    ConfigFile.put(given, "replace-head", subject.replaceHead);
    ConfigFile.put(given, "data", subject.data);
    ConfigFile.put(given, "quantizer", quantization.quantizer);
    quantization.put(given);
    ConfigFile.put(given, "epochs", schedule.epochs);
    ConfigFile.put(given, "qat-epochs", schedule.qatEpochs);
    ConfigFile.put(given, "batch", schedule.batch);
    ConfigFile.put(given, "lr", schedule.lr);
    ConfigFile.put(given, "qat-lr", schedule.qatLr);
    ConfigFile.put(given, "momentum", schedule.momentum);
    ConfigFile.put(given, "weight-decay", schedule.weightDecay);
    ConfigFile.put(given, "label-smoothing", schedule.labelSmoothing);
    ConfigFile.put(given, "calibration-batches", schedule.calibrationBatches);
    ConfigFile.put(given, "quant-delay", schedule.quantDelay);
    ConfigFile.put(given, "freeze-from", schedule.freezeFrom);
    ConfigFile.put(given, "observer-momentum", schedule.observerMomentum);
    ConfigFile.put(given, "validation", schedule.validation);
    ConfigFile.put(given, "augment", schedule.augment);
    ConfigFile.put(given, "lowering", schedule.lowering);
    ConfigFile.put(given, "compute", schedule.compute);
    ConfigFile.put(given, "tf32", schedule.tf32);
    ConfigFile.put(given, "deterministic", schedule.deterministic);
    ConfigFile.put(given, "accumulate", schedule.accumulate);
    ConfigFile.put(given, "sync-batch-norm", schedule.syncBatchNorm);
    ConfigFile.put(given, "seed", schedule.seed);
    ConfigFile.put(given, "device", machine.device);
    ConfigFile.put(given, "processes", machine.processes);
    ConfigFile.put(given, "threads", machine.threads);
    ConfigFile.put(given, "input-threads", machine.inputThreads);
    return given;
  }
}
