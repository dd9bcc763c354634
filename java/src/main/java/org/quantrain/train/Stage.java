package org.quantrain.train;

import java.util.Locale;

/** The two trainings of a run. */
public enum Stage {
  FLOAT,
  QAT;

  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }
}
