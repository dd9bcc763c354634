package org.quantrain.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A line chart as SVG. Colours come from the page's style sheet by class: {@code grid}, {@code
 * axis}, {@code region} and whatever a series is given.
 */
final class LineChart {
  /** A point; {@code tip} is shown where the mouse rests on it, null for none. */
  record Point(double x, double y, String tip) {}

  private enum Kind {
    LINE,
    DOTTED_LINE,
    MARKS
  }

  private record Series(String style, Kind kind, List<Point> points) {}

  private record Region(double from, double to, String label, String style) {}

  // In units of the view box; the page scales them.
  private static final int WIDTH = 480;
  private static final int HEIGHT = 270;
  private static final int LEFT = 46;
  private static final int RIGHT = 14;
  private static final int TOP = 24;
  private static final int BOTTOM = 38;
  private static final int MARK_ROOM = 8;
  private static final double CHARACTER = 6.4; // mean width in the labels
  private static final int Y_TICKS = 5;
  private static final int X_TICKS = 7;

  private final String title;
  private final String xLabel;
  private final double xMax;
  private final double yMin;
  private final double yMax;
  private final double yStep;
  private final List<Region> regions = new ArrayList<>();
  private final List<Series> series = new ArrayList<>();
  private double labelsEnd;

  /**
   * The y axis goes over whole steps, so that it holds {@code low} and {@code high}; what lies
   * outside is cut off.
   */
  LineChart(String title, String xLabel, double xMax, double low, double high) {
    this.title = title;
    this.xLabel = xLabel;
    this.xMax = Math.max(xMax, 1e-9);
    this.yStep = step(Math.max(high - low, 1e-6), Y_TICKS);
    this.yMin = Math.floor(low / yStep + 1e-9) * yStep;
    this.yMax = Math.max(Math.ceil(high / yStep - 1e-9) * yStep, yMin + yStep);
  }

  /** A band behind the curves, with its label on top and a line where it begins. */
  LineChart region(double from, double to, String label, String style) {
    regions.add(new Region(from, to, label, style));
    return this;
  }

  LineChart line(String style, List<Point> points) {
    series.add(new Series(style, Kind.LINE, points));
    return this;
  }

  /** A line with a dot on every point. */
  LineChart dottedLine(String style, List<Point> points) {
    series.add(new Series(style, Kind.DOTTED_LINE, points));
    return this;
  }

  /** Single points that are no curve. */
  LineChart marks(String style, List<Point> points) {
    series.add(new Series(style, Kind.MARKS, points));
    return this;
  }

  /** 1, 2 or 5 times a power of ten, so that about {@code ticks} steps cover the range. */
  static double step(double range, int ticks) {
    double rough = range / ticks;
    double power = Math.pow(10, Math.floor(Math.log10(rough)));
    double factor = rough / power;
    return power * (factor <= 1.000001 ? 1 : factor <= 2.000001 ? 2 : factor <= 5.000001 ? 5 : 10);
  }

  void writeTo(Markup page) {
    page.open(
        "svg",
        "xmlns",
        "http://www.w3.org/2000/svg",
        "viewBox",
        "0 0 " + WIDTH + " " + HEIGHT,
        "role",
        "img",
        "aria-label",
        title);
    regions.forEach(region -> write(page, region));
    writeAxes(page);
    // Curves are cut off at the axes; above and to the right there is room for half a mark.
    int width = WIDTH - LEFT - RIGHT + MARK_ROOM;
    int height = HEIGHT - TOP - BOTTOM + MARK_ROOM;
    page.open(
        "svg",
        "x",
        number(LEFT),
        "y",
        number(TOP - MARK_ROOM),
        "width",
        number(width),
        "height",
        number(height),
        "viewBox",
        "%d %d %d %d".formatted(LEFT, TOP - MARK_ROOM, width, height));
    series.forEach(one -> write(page, one));
    page.close().close();
  }

  private void write(Markup page, Region region) {
    double from = x(region.from());
    double to = x(region.to());
    page.empty(
        "rect",
        "class",
        "region " + region.style(),
        "x",
        number(from),
        "y",
        number(TOP),
        "width",
        number(to - from),
        "height",
        number(HEIGHT - BOTTOM - TOP));
    if (region.from() > 0) {
      line(page, "boundary", from, TOP, from, HEIGHT - BOTTOM);
    }
    double half = region.label().length() * CHARACTER / 2;
    double middle = Math.min((from + to) / 2, WIDTH - half);
    if (middle - half >= labelsEnd) {
      labelsEnd = middle + half + CHARACTER;
      page.element(
          "text",
          region.label(),
          "class",
          "label",
          "x",
          number(middle),
          "y",
          number(TOP - 7),
          "text-anchor",
          "middle");
    }
  }

  private void writeAxes(Markup page) {
    int count = (int) Math.round((yMax - yMin) / yStep);
    int decimals = (int) Math.max(0, Math.ceil(-Math.log10(yStep) - 1e-9));
    for (int i = 0; i <= count; i++) {
      double value = yMin + i * yStep;
      line(page, i == 0 ? "axis" : "grid", LEFT, y(value), WIDTH - RIGHT, y(value));
      page.element(
          "text",
          String.format(Locale.ROOT, "%." + decimals + "f", value),
          "class",
          "tick",
          "x",
          number(LEFT - 8),
          "y",
          number(y(value) + 4),
          "text-anchor",
          "end");
    }
    double xStep = Math.max(1, step(xMax, X_TICKS));
    for (double value = 0; value <= xMax + 1e-9; value += xStep) {
      line(page, "axis", x(value), HEIGHT - BOTTOM, x(value), HEIGHT - BOTTOM + 4);
      page.element(
          "text",
          String.format(Locale.ROOT, "%.0f", value),
          "class",
          "tick",
          "x",
          number(x(value)),
          "y",
          number(HEIGHT - BOTTOM + 17),
          "text-anchor",
          "middle");
    }
    page.element(
        "text",
        xLabel,
        "class",
        "label",
        "x",
        number((LEFT + WIDTH - RIGHT) / 2.0),
        "y",
        number(HEIGHT - 4),
        "text-anchor",
        "middle");
  }

  private void write(Markup page, Series one) {
    page.open("g", "class", one.style());
    if (one.kind() != Kind.MARKS) {
      StringBuilder path = new StringBuilder();
      for (Point p : one.points()) {
        path.append(path.length() == 0 ? "M" : "L").append(number(x(p.x()))).append(' ');
        path.append(number(y(p.y())));
      }
      if (path.length() > 0) {
        page.empty("path", "class", "curve", "d", path.toString());
      }
    }
    for (Point p : one.points()) {
      if (one.kind() == Kind.LINE && p.tip() == null) {
        continue;
      }
      String kind = one.kind() == Kind.MARKS ? "mark" : "dot";
      String radius = one.kind() == Kind.MARKS ? "5" : one.points().size() > 30 ? "1.8" : "2.6";
      page.open("g", "class", "hover");
      page.empty(
          "circle", "class", "reach", "cx", number(x(p.x())), "cy", number(y(p.y())), "r", "8");
      page.empty(
          "circle", "class", kind, "cx", number(x(p.x())), "cy", number(y(p.y())), "r", radius);
      if (p.tip() != null) {
        page.element("title", p.tip());
      }
      page.close();
    }
    page.close();
  }

  private static void line(Markup page, String style, double x1, double y1, double x2, double y2) {
    page.empty(
        "line",
        "class",
        style,
        "x1",
        number(x1),
        "y1",
        number(y1),
        "x2",
        number(x2),
        "y2",
        number(y2));
  }

  private double x(double value) {
    return LEFT + value / xMax * (WIDTH - LEFT - RIGHT);
  }

  private double y(double value) {
    return HEIGHT - BOTTOM - (value - yMin) / (yMax - yMin) * (HEIGHT - BOTTOM - TOP);
  }

  private static String number(double value) {
    String text = String.format(Locale.ROOT, "%.1f", value);
    return text.endsWith(".0") ? text.substring(0, text.length() - 2) : text;
  }
}
