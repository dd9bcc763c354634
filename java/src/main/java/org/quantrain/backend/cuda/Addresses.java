package org.quantrain.backend.cuda;

import java.util.List;
import java.util.function.Consumer;
import org.quantrain.backend.shared.Scratch;

/** Addresses of several regions. */
final class Addresses {
  private final long[] known;
  private int missing;

  private Addresses(int count) {
    known = new long[count];
    missing = count;
  }

  /** Gives them to the user, in order, once the last is known. */
  static void whenKnown(List<Scratch.Region> regions, Consumer<long[]> user) {
    Addresses addresses = new Addresses(regions.size());
    for (int i = 0; i < regions.size(); i++) {
      int at = i;
      regions
          .get(i)
          .whenKnown(
              address -> {
                addresses.known[at] = address;
                if (--addresses.missing == 0) {
                  user.accept(addresses.known);
                }
              });
    }
  }
}
