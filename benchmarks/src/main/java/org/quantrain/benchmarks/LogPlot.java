package org.quantrain.benchmarks;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import org.quantrain.report.Markup;

/**
 * A plot with logarithmic axes as SVG. Colours come from the page's style sheet by class: {@code
 * grid}, {@code tick}, {@code label} and whatever a series is given.
 */
final class LogPlot {
  /**
   * A point.
   *
   * @param radius of its dot
   * @param tip shown where the mouse rests on it
   */
  record Dot(double x, double y, double radius, String tip) {}

  private record Series(String style, boolean line, List<Dot> dots) {}

  private record Label(double x, double y, String text, boolean above) {}

  private static final int WIDTH = 720;
  private static final int HEIGHT = 420;
  private static final int LEFT = 62;
  private static final int RIGHT = 16;
  private static final int TOP = 16;
  private static final int BOTTOM = 44;

  /** Below so many decades all of 1, 2 and 5 are named. */
  private static final double FEW_DECADES = 2.5;

  private final String xLabel;
  private final String yLabel;
  private final List<Series> series = new ArrayList<>();
  private final List<Label> labels = new ArrayList<>();
  private double xMin;
  private double xMax;
  private double yMin;
  private double yMax;

  LogPlot(String xLabel, String yLabel) {
    this.xLabel = xLabel;
    this.yLabel = yLabel;
  }

  LogPlot dots(String style, List<Dot> dots) {
    series.add(new Series(style, false, dots));
    return this;
  }

  /** A line through points, from the left. */
  LogPlot line(String style, List<Dot> dots) {
    series.add(new Series(style, true, dots));
    return this;
  }

  /** A text that ends above or below a point. */
  LogPlot label(double x, double y, String text, boolean above) {
    labels.add(new Label(x, y, text, above));
    return this;
  }

  void writeTo(Markup page) {
    xMin = below(least(Dot::x));
    xMax = above(most(Dot::x));
    yMin = below(least(Dot::y));
    yMax = above(most(Dot::y));
    page.open("svg", "viewBox", "0 0 " + WIDTH + " " + HEIGHT, "role", "img", "aria-label", yLabel);
    writeAxes(page);
    series.forEach(s -> write(page, s));
    for (Label label : labels) {
      double y = y(label.y()) + (label.above() ? -5 : 14);
      text(page, "label", x(label.x()), y, "end", label.text());
    }
    page.close().newLine();
  }

  private double least(ToDoubleFunction<Dot> of) {
    return series.stream().flatMap(s -> s.dots().stream()).mapToDouble(of).min().orElse(1);
  }

  private double most(ToDoubleFunction<Dot> of) {
    return series.stream().flatMap(s -> s.dots().stream()).mapToDouble(of).max().orElse(10);
  }

  /** The next of 1, 2, 5 times a power of ten that leaves some room. */
  private static double below(double value) {
    double power = Math.pow(10, Math.floor(Math.log10(value / 1.1)));
    double factor = value / 1.1 / power;
    return power * (factor >= 5 ? 5 : factor >= 2 ? 2 : 1);
  }

  private static double above(double value) {
    double power = Math.pow(10, Math.floor(Math.log10(value * 1.1)));
    double factor = value * 1.1 / power;
    return power * (factor <= 2 ? 2 : factor <= 5 ? 5 : 10);
  }

  private void writeAxes(Markup page) {
    for (double value : ticks(xMin, xMax)) {
      line(page, "grid", x(value), TOP, x(value), HEIGHT - BOTTOM);
      text(page, "tick", x(value), HEIGHT - BOTTOM + 16, "middle", number(value));
    }
    for (double value : ticks(yMin, yMax)) {
      line(page, "grid", LEFT, y(value), WIDTH - RIGHT, y(value));
      text(page, "tick", LEFT - 6, y(value) + 4, "end", number(value));
    }
    text(page, "label", (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 8, "middle", xLabel);
    page.element(
        "text",
        yLabel,
        "class",
        "label",
        "text-anchor",
        "middle",
        "transform",
        "translate(14 " + (TOP + HEIGHT - BOTTOM) / 2 + ") rotate(-90)");
  }

  private static List<Double> ticks(double min, double max) {
    boolean few = Math.log10(max / min) < FEW_DECADES;
    List<Double> ticks = new ArrayList<>();
    for (int e = (int) Math.floor(Math.log10(min)); Math.pow(10, e) <= max * 1.001; e++) {
      for (int factor : few ? new int[] {1, 2, 5} : new int[] {1}) {
        double tick = factor * Math.pow(10, e);
        if (tick >= min * 0.999 && tick <= max * 1.001) {
          ticks.add(tick);
        }
      }
    }
    return ticks;
  }

  private static String number(double value) {
    return value >= 1
        ? String.format(Locale.ROOT, "%.0f", value)
        : String.format(
            Locale.ROOT, "%." + (int) Math.ceil(-Math.log10(value) - 1e-9) + "f", value);
  }

  private void write(Markup page, Series one) {
    page.open("g", "class", one.style());
    if (one.line()) {
      StringBuilder path = new StringBuilder();
      for (Dot dot : one.dots()) {
        path.append(path.length() == 0 ? "M" : "L");
        path.append(at(x(dot.x()))).append(' ').append(at(y(dot.y())));
      }
      page.empty("path", "class", "curve", "d", path.toString());
    }
    for (Dot dot : one.dots()) {
      if (dot.radius() > 0) {
        page.open("circle", "cx", at(x(dot.x())), "cy", at(y(dot.y())), "r", at(dot.radius()));
        page.element("title", dot.tip()).close();
      }
    }
    page.close();
  }

  private static void line(Markup page, String style, double x1, double y1, double x2, double y2) {
    page.empty("line", "class", style, "x1", at(x1), "y1", at(y1), "x2", at(x2), "y2", at(y2));
  }

  private static void text(
      Markup page, String style, double x, double y, String anchor, String text) {
    page.element("text", text, "class", style, "x", at(x), "y", at(y), "text-anchor", anchor);
  }

  private double x(double value) {
    return LEFT + Math.log(value / xMin) / Math.log(xMax / xMin) * (WIDTH - LEFT - RIGHT);
  }

  private double y(double value) {
    double share = Math.log(value / yMin) / Math.log(yMax / yMin);
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP);
  }

  private static String at(double value) {
    return String.format(Locale.ROOT, "%.1f", value);
  }
}
