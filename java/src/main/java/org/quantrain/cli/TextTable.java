package org.quantrain.cli;

import java.util.ArrayList;
import java.util.List;

/** A table for a terminal: columns as wide as they must be, numbers to the right. */
final class TextTable {
  private final List<String[]> rows = new ArrayList<>();
  private final boolean[] right;

  /** A column whose title starts with '>' is aligned to the right. */
  TextTable(String... titles) {
    right = new boolean[titles.length];
    String[] row = new String[titles.length];
    for (int i = 0; i < titles.length; i++) {
      right[i] = titles[i].startsWith(">");
      row[i] = right[i] ? titles[i].substring(1) : titles[i];
    }
    rows.add(row);
  }

  void add(String... cells) {
    if (cells.length != right.length) {
      throw new IllegalArgumentException(
          "expected " + right.length + " cells, got " + cells.length);
    }
    rows.add(cells);
  }

  /** One string for each row, without blanks at the end. */
  List<String> lines() {
    int[] widths = new int[right.length];
    for (String[] row : rows) {
      for (int i = 0; i < row.length; i++) {
        widths[i] = Math.max(widths[i], row[i].length());
      }
    }
    List<String> lines = new ArrayList<>();
    for (String[] row : rows) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < row.length; i++) {
        String blanks = " ".repeat(widths[i] - row[i].length());
        line.append(i == 0 ? "" : "  ").append(right[i] ? blanks + row[i] : row[i] + blanks);
      }
      lines.add(line.toString().stripTrailing());
    }
    return lines;
  }
}
