package org.quantrain.cli;

import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.quantrain.pass.Phase;
import org.quantrain.report.EpochMetrics;
import org.quantrain.report.MetricsLog;
import org.quantrain.report.Numbers;
import org.quantrain.report.RunDirectory;
import org.quantrain.report.RunException;
import org.quantrain.report.TensorBoardWriter;
import org.quantrain.train.EpochResult;
import org.quantrain.train.Listener;
import org.quantrain.train.Stage;

/** Writes a training to the logs of its run, and shows how it goes. */
final class RunListener implements Listener, AutoCloseable {
  /** Points of the loss curve that are kept of an epoch. */
  private static final int CURVE_POINTS = 16;

  private final Console console;
  private final int floatEpochs;
  private final MetricsLog metrics;
  private final TensorBoardWriter events;
  private final List<Double> losses = new ArrayList<>();
  private int steps;
  private int epochs;
  private StepBar bar;

  RunListener(Console console, RunDirectory run, int floatEpochs) throws RunException {
    this.console = console;
    this.floatEpochs = floatEpochs;
    this.metrics = MetricsLog.open(run.metrics());
    this.events = TensorBoardWriter.create(run.path());
  }

  @Override
  public void stageStarted(Stage stage, int epochs, int stepsPerEpoch) {
    this.epochs = epochs;
    steps = stepsPerEpoch;
    losses.clear();
  }

  @Override
  public void step(
      Stage stage, Phase phase, int epoch, int step, double loss, double learningRate) {
    losses.add(loss);
    try {
      events.scalar("step/loss", (long) (globalEpoch(stage, epoch) - 1) * steps + step, loss);
    } catch (RunException e) {
      throw new UncheckedIOException(e);
    }
    if (console.isTerminal()) {
      if (bar == null) {
        bar = new StepBar(console, "%-5s %d/%d".formatted(name(stage), epoch, epochs), steps);
      }
      bar.step(step, loss);
    }
  }

  /** Counted over both stages, so that their curves follow each other. */
  private int globalEpoch(Stage stage, int epoch) {
    return stage == Stage.FLOAT ? epoch : floatEpochs + epoch;
  }

  private static String name(Stage stage) {
    return stage == Stage.FLOAT ? "float" : "QAT";
  }

  @Override
  public void epoch(EpochResult result) {
    if (bar != null) {
      bar.close();
      bar = null;
    }
    try {
      metrics.append(metrics(result));
      long at = globalEpoch(result.stage(), result.epoch());
      events.scalar("loss/train", at, result.trainLoss());
      events.scalar("loss/validation", at, result.validationLoss());
      events.scalar("accuracy/train", at, result.trainTop1());
      events.scalar("accuracy/validation", at, result.validationTop1());
      events.scalar("learning_rate", at, result.learningRate());
      events.flush();
    } catch (RunException e) {
      throw new UncheckedIOException(e);
    }
    losses.clear();
    say(result);
  }

  private void say(EpochResult r) {
    StringBuilder line = new StringBuilder();
    line.append(
        String.format(
            Locale.ROOT,
            "%-9s%" + Integer.toString(r.epochs()).length() + "d/%d  loss %.4f  train %6.2f %%",
            name(r.stage()),
            r.epoch(),
            r.epochs(),
            r.trainLoss(),
            r.trainTop1()));
    if (!Double.isNaN(r.validationTop1())) {
      line.append(String.format(Locale.ROOT, "  validation %6.2f %%", r.validationTop1()));
    }
    line.append("  ").append(Numbers.count(Math.round(r.imagesPerSecond()))).append(" images/s");
    if (r.phase() == Phase.TRAIN_FROZEN) {
      line.append("  frozen");
    } else if (r.phase() == Phase.TRAIN_DELAYED) {
      line.append("  observing");
    }
    console.say(line.toString());
  }

  private EpochMetrics metrics(EpochResult r) {
    return new EpochMetrics(
        r.stage().id(),
        r.phase().name(),
        r.epoch(),
        r.epochs(),
        r.learningRate(),
        r.trainLoss(),
        r.trainTop1(),
        r.validationLoss(),
        r.validationTop1(),
        r.seconds(),
        r.imagesPerSecond(),
        curve(losses));
  }

  /** Means of up to {@link #CURVE_POINTS} equal parts. */
  static List<Double> curve(List<Double> losses) {
    int points = Math.min(CURVE_POINTS, losses.size());
    List<Double> curve = new ArrayList<>();
    for (int i = 0; i < points; i++) {
      int from = (int) ((long) losses.size() * i / points);
      int to = (int) ((long) losses.size() * (i + 1) / points);
      double mean =
          losses.subList(from, to).stream().mapToDouble(Double::doubleValue).average().orElse(0);
      curve.add(mean);
    }
    return curve;
  }

  @Override
  public void close() throws RunException {
    if (bar != null) {
      bar.close();
    }
    try {
      metrics.close();
    } finally {
      events.close();
    }
  }
}
