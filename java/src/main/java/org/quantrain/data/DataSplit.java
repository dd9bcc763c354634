package org.quantrain.data;

import java.util.Objects;
import java.util.function.UnaryOperator;

/**
 * What is trained on and what is measured on. Both parts have the same image shape and the same
 * classes.
 */
public record DataSplit(DataSource train, DataSource test) {
  /**
   * @throws IllegalArgumentException if the two parts differ in height, width, channels or classes
   */
  public DataSplit {
    Objects.requireNonNull(train, "train");
    Objects.requireNonNull(test, "test");
    if (train.height() != test.height()
        || train.width() != test.width()
        || train.channels() != test.channels()
        || !train.classNames().equals(test.classNames())) {
      throw new IllegalArgumentException(
          "a split needs two parts of one shape and the same classes, got "
              + describe(train)
              + " and "
              + describe(test));
    }
  }

  /** All images for both. */
  public static DataSplit shared(DataSource images) {
    return new DataSplit(images, images);
  }

  /** True if what is measured on is what is trained on. */
  public boolean isShared() {
    return train == test;
  }

  /** Both parts changed in the same way; shared images stay shared. */
  public DataSplit map(UnaryOperator<DataSource> change) {
    DataSource changed = change.apply(train);
    return new DataSplit(changed, isShared() ? changed : change.apply(test));
  }

  private static String describe(DataSource source) {
    return "%s (%dx%dx%d, %d classes)"
        .formatted(
            source.name(), source.height(), source.width(), source.channels(), source.classes());
  }
}
