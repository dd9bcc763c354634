package org.quantrain.benchmarks;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Predicate;
import org.quantrain.report.Markup;

/**
 * Measured steps as one file of HTML with its pictures in it, light or dark as the reader's system
 * is, without scripts and without a network.
 */
final class StepPage {
  private static final String STYLE =
      """
      :root { color-scheme: light dark; --ink: #1c2430; --soft: #66707f; --grid: #e3e7ec;
        --a: #0b6bcb; --b: #d9480f; --c: #2b8a3e; --d: #8e44ad; --e: #868e96; --page: #ffffff; }
      @media (prefers-color-scheme: dark) {
        :root { --ink: #e6e9ee; --soft: #9aa4b2; --grid: #2b323c; --a: #5aa9ff; --b: #ff8a5c;
          --c: #69db7c; --d: #d0a2ff; --e: #adb5bd; --page: #14181e; } }
      body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--page);
        max-width: 760px; margin: 2em auto; padding: 0 1em; }
      h1 { font-size: 1.3em; } h2 { font-size: 1.05em; margin-top: 1.6em; }
      p { color: var(--soft); } svg { width: 100%; height: auto; }
      .grid { stroke: var(--grid); } .tick { font-size: 11px; fill: var(--soft); }
      .label { font-size: 12px; fill: var(--soft); paint-order: stroke; stroke: var(--page);
        stroke-width: 4px; } .item { white-space: nowrap; } .curve { fill: none; stroke-width: 1.6; }
      circle { fill-opacity: 0.55; stroke-width: 1; }
      .a { stroke: var(--a); fill: var(--a); } .b { stroke: var(--b); fill: var(--b); }
      .c { stroke: var(--c); fill: var(--c); } .d { stroke: var(--d); fill: var(--d); }
      .e { stroke: var(--e); fill: var(--e); }
      .floor { stroke: var(--ink); fill: var(--ink); stroke-dasharray: 5 4; }
      .tick { stroke: none; } table { border-collapse: collapse; width: 100%; font-size: 13px; }
      td, th { text-align: right; padding: 2px 8px; border-bottom: 1px solid var(--grid); }
      td:first-child, th:first-child { text-align: left; }
      .key { display: inline-block; width: 0.8em; height: 0.8em; border-radius: 50%;
        margin: 0 0.35em 0 1em; } .key.a { background: var(--a); } .key.b { background: var(--b); }
      .key.c { background: var(--c); } .key.d { background: var(--d); }
      .key.e { background: var(--e); } .key.floor { background: var(--ink); }
      """;

  private static final List<String> COLOURS = List.of("a", "b", "c", "d", "e");
  private static final double LARGEST_RADIUS = 22;
  private static final double SMALLEST_RADIUS = 1.6;
  private static final double SMALLEST_PASS = 10;
  private static final String OTHERS = "others";

  private final Markup page = new Markup();

  private StepPage(String title) {
    page.open("html", "lang", "en").newLine().open("head");
    page.empty("meta", "charset", "utf-8");
    page.element("title", title).style(STYLE).close().newLine();
    page.open("body").newLine().element("h1", title).newLine();
  }

  private String end() {
    page.close().newLine().close();
    return "<!DOCTYPE html>\n" + page + "\n";
  }

  // ---- one step, node by node

  /** Every node of a step against the machine's limits; the area of a dot is its time. */
  static String roofline(String title, StepProfile profile) {
    StepPage result = new StepPage(title);
    result.page.element("p", profile.summary());
    result.products(profile);
    result.passes(profile);
    result.kinds(profile);
    return result.end();
  }

  private void products(StepProfile profile) {
    Map<String, List<LogPlot.Dot>> dots = longest(profile, row -> row.operations() > 0);
    double least = Double.POSITIVE_INFINITY;
    double most = 0;
    for (StepProfile.Row row : profile.nodes()) {
      if (row.operations() > 0 && row.seconds() > 0) {
        double intensity = (double) row.operations() / row.bytes();
        least = Math.min(least, intensity);
        most = Math.max(most, intensity);
        dots.getOrDefault(row.kind(), dots.get(OTHERS))
            .add(dot(intensity, row.operations() / row.seconds() / 1e9, row, profile));
      }
    }
    MachineRates rates = profile.rates();
    boolean codesAbove = rates.codes() > rates.floats();
    LogPlot plot = new LogPlot("operations per byte", "GOP/s");
    roof(plot, least, most, rates.copy(), rates.floats(), "float32 products", !codesAbove);
    roof(plot, least, most, rates.copy(), rates.codes(), "products of codes", codesAbove);
    page.element("h2", "Products");
    write(plot, dots);
    page.element(
        "p",
        "The slope is the bandwidth of a copy from memory, the roofs are the rates of a large"
            + " product measured in the same run. The area of a dot is its time.");
  }

  private static void roof(
      LogPlot plot,
      double least,
      double most,
      double copy,
      double rate,
      String name,
      boolean above) {
    double ridge = Math.min(Math.max(rate / copy, least), most);
    plot.line(
        "floor",
        List.of(
            new LogPlot.Dot(least, Math.min(least * copy, rate) / 1e9, 0, null),
            new LogPlot.Dot(ridge, Math.min(ridge * copy, rate) / 1e9, 0, null),
            new LogPlot.Dot(most, Math.min(most * copy, rate) / 1e9, 0, null)));
    plot.label(most, Math.min(most * copy, rate) / 1e9, name, above);
  }

  private void passes(StepProfile profile) {
    Map<String, List<LogPlot.Dot>> dots = longest(profile, row -> row.operations() == 0);
    double most = 0;
    for (StepProfile.Row row : profile.nodes()) {
      double kilobytes = row.bytes() / 1e3;
      if (row.operations() == 0 && row.seconds() > 0 && kilobytes >= SMALLEST_PASS) {
        most = Math.max(most, kilobytes);
        dots.getOrDefault(row.kind(), dots.get(OTHERS))
            .add(dot(kilobytes, row.bytes() / row.seconds() / 1e9, row, profile));
      }
    }
    double copy = profile.rates().copy() / 1e9;
    LogPlot plot = new LogPlot("KB read and written", "GB/s");
    plot.line(
        "floor",
        List.of(
            new LogPlot.Dot(SMALLEST_PASS, copy, 0, null), new LogPlot.Dot(most, copy, 0, null)));
    plot.label(most, copy, "a copy from memory", true);
    page.element("h2", "Passes over memory");
    write(plot, dots);
    page.element(
        "p",
        ("What a cache still holds moves faster than a copy from memory. Below %.0f KB a node takes"
                + " the time of a call: they are left out.")
            .formatted(SMALLEST_PASS));
  }

  /** Room for the dots of the kinds that take longest, and of all others. */
  private static Map<String, List<LogPlot.Dot>> longest(
      StepProfile profile, Predicate<StepProfile.Row> wanted) {
    Map<String, List<LogPlot.Dot>> dots = new LinkedHashMap<>();
    profile.kinds().stream()
        .filter(wanted)
        .limit(COLOURS.size() - 1)
        .forEach(row -> dots.put(row.name(), new ArrayList<>()));
    dots.put(OTHERS, new ArrayList<>());
    return dots;
  }

  /** Radii go with the root of the share of the step. */
  private static LogPlot.Dot dot(double x, double y, StepProfile.Row row, StepProfile profile) {
    double share = row.seconds() / profile.seconds();
    double radius = Math.max(SMALLEST_RADIUS, LARGEST_RADIUS * Math.sqrt(share / 0.1));
    String tip =
        String.format(
            Locale.ROOT,
            "%s: %.0f us, %.1f %% of the step, floor %.2f of it",
            row.name(),
            row.seconds() * 1e6,
            100 * share,
            row.floor() / row.seconds());
    return new LogPlot.Dot(x, y, radius, tip);
  }

  private void write(LogPlot plot, Map<String, List<LogPlot.Dot>> dots) {
    page.open("div");
    int i = 0;
    for (Map.Entry<String, List<LogPlot.Dot>> entry : dots.entrySet()) {
      String colour = COLOURS.get(i++ % COLOURS.size());
      if (!entry.getValue().isEmpty()) {
        plot.dots(colour, entry.getValue());
        key(colour, entry.getKey());
      }
    }
    page.close();
    plot.writeTo(page);
  }

  private void key(String style, String text) {
    page.open("span", "class", "item").element("span", "", "class", "key " + style);
    page.text(text).close();
  }

  private void kinds(StepProfile profile) {
    page.element("h2", "Nodes by kind");
    page.open("table").open("tr");
    for (String head : List.of("kind", "nodes", "ms", "of all", "GB/s", "GOP/s", "floor")) {
      page.element("th", head);
    }
    page.close();
    for (StepProfile.Row row : profile.kinds()) {
      page.open("tr").element("td", row.name()).element("td", Integer.toString(row.nodes()));
      cell("%.2f", row.seconds() * 1e3);
      cell("%.1f %%", 100 * row.seconds() / profile.seconds());
      cell("%.1f", row.bytes() / row.seconds() / 1e9);
      if (row.operations() > 0) {
        cell("%.0f", row.operations() / row.seconds() / 1e9);
      } else {
        page.element("td", "");
      }
      cell("%.2f", row.floor() / row.seconds());
      page.close().newLine();
    }
    page.close();
    page.element("p", "floor: time at the machine's limits over the time it takes.");
  }

  private void cell(String format, double value) {
    page.element("td", String.format(Locale.ROOT, format, value));
  }

  // ---- steps of several sizes

  /**
   * Throughput of a step at one size.
   *
   * @param x the size: images of a batch, or width
   * @param floor images in a second at the machine's limits; NaN where that is not known
   */
  record Throughput(String step, double x, double imagesPerSecond, double floor) {}

  /** Throughput against a size. */
  static String scaling(String title, String xLabel, List<Throughput> points) {
    StepPage result = new StepPage(title);
    Map<String, List<LogPlot.Dot>> lines = new LinkedHashMap<>();
    Map<String, List<LogPlot.Dot>> floors = new LinkedHashMap<>();
    for (Throughput p : points) {
      String tip =
          String.format(
              Locale.ROOT, "%s at %.4g: %.4g images/s", p.step(), p.x(), p.imagesPerSecond());
      lines
          .computeIfAbsent(p.step(), s -> new ArrayList<>())
          .add(new LogPlot.Dot(p.x(), p.imagesPerSecond(), 3, tip));
      if (!Double.isNaN(p.floor())) {
        floors
            .computeIfAbsent(p.step(), s -> new ArrayList<>())
            .add(new LogPlot.Dot(p.x(), p.floor(), 0, null));
      }
    }
    LogPlot plot = new LogPlot(xLabel, "images/s");
    int i = 0;
    for (Map.Entry<String, List<LogPlot.Dot>> line : lines.entrySet()) {
      String colour = COLOURS.get(i++ % COLOURS.size());
      plot.line(colour, line.getValue());
      result.key(colour, line.getKey());
    }
    floors.values().stream().limit(1).forEach(f -> plot.line("floor", f));
    floors.keySet().stream().limit(1).forEach(s -> result.key("floor", "the floor of " + s));
    plot.writeTo(result.page);
    result.page.element(
        "p",
        "The floor: the sum over the nodes of a step of the longer of their bytes at the bandwidth"
            + " of a copy from memory and their products at the rate of a large one, measured in"
            + " the same run.");
    return result.end();
  }
}
