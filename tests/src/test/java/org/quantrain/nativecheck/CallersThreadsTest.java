package org.quantrain.nativecheck;

import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class CallersThreadsTest {
  @Test
  void contextsOfOneThreadServeTheThreadsOfAParallelRegion()
      throws IOException, InterruptedException {
    Command.succeed(Duration.ofMinutes(2), Command.BUILD + "/check/check_callers_threads");
  }
}
