package org.quantrain.backend.cuda;

import org.quantrain.backend.shared.Scratch;

/** How addresses on a device are aligned, on which libraries choose their kernels. */
final class Alignment {
  /** What every tensor and every part of a workspace begins at a multiple of. */
  static final long OF_TENSORS = 64;

  /** What libraries want of their workspace. */
  private static final long OF_WORKSPACES = 256;

  private Alignment() {}

  /** A part of the workspace for a library's own use. */
  static Scratch.Region region(Scratch scratch, long bytes) {
    Scratch.Region region = scratch.region(bytes + OF_WORKSPACES - OF_TENSORS);
    return user ->
        region.whenKnown(
            address -> user.accept((address + OF_WORKSPACES - 1) / OF_WORKSPACES * OF_WORKSPACES));
  }

  /** Of what lies this far behind the beginning of a tensor. */
  static long behind(long bytes) {
    return Long.lowestOneBit(OF_TENSORS | bytes);
  }
}
