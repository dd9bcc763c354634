package org.quantrain.runtime;

import java.nio.file.Path;

/**
 * Where the processes of one training find each other.
 *
 * @param folder empty at first, seen by all of them and used by nobody else
 * @param rank number of this process, from 0
 * @param size number of processes
 */
public record Meeting(Path folder, int rank, int size) {
  public Meeting {
    if (rank < 0 || rank >= size) {
      throw new IllegalArgumentException(
          "rank: expected 0 to below the number of processes %d, got %d".formatted(size, rank));
    }
  }
}
