package org.quantrain.cli;

import picocli.CommandLine.IVersionProvider;

/** What this is. */
final class Version implements IVersionProvider {
  /** That of the pom; a test compares them. */
  static final String NUMBER = "0.1.0-SNAPSHOT";

  @Override
  public String[] getVersion() {
    return new String[] {
      "quantrain %s, Java %s, %s %s"
          .formatted(
              NUMBER,
              System.getProperty("java.version"),
              System.getProperty("os.name"),
              System.getProperty("os.arch"))
    };
  }
}
