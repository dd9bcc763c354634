package org.quantrain.cli;

import java.util.Locale;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** The progress of one epoch on a terminal; it vanishes at the end. */
final class StepBar implements AutoCloseable {
  private static final int UPDATE_MILLIS = 100;
  private static final int COLUMNS = 90;

  private final ProgressBar bar;

  StepBar(Console console, String name, int steps) {
    bar =
        new ProgressBarBuilder()
            .setTaskName(name)
            .setInitialMax(steps)
            .setStyle(ProgressBarStyle.UNICODE_BLOCK)
            .setUpdateIntervalMillis(UPDATE_MILLIS)
            .setMaxRenderedLength(COLUMNS)
            .setConsumer(new ConsoleProgressBarConsumer(console.text(), COLUMNS))
            .clearDisplayOnFinish()
            .build();
  }

  void step(int step, double loss) {
    bar.stepTo(step);
    bar.setExtraMessage(String.format(Locale.ROOT, "loss %.4f", loss));
  }

  @Override
  public void close() {
    bar.close();
  }
}
