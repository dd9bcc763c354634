package org.quantrain.internal.bind;

import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.javacpp.annotation.Properties;
import org.bytedeco.javacpp.tools.Info;
import org.bytedeco.javacpp.tools.InfoMap;
import org.bytedeco.javacpp.tools.InfoMapper;

/**
 * Tells JavaCPP how to read {@code quantrain.h} and {@code quantrain_collective.h}: every function
 * becomes a static method of {@code QuantrainNative}, every argument struct a class of its own
 * name, every enum a set of int constants.
 */
@Properties(
    value =
        @Platform(
            include = {"quantrain.h", "quantrain_collective.h"},
            link = "quantrain",
            compiler = "cpp17"),
    target = "org.quantrain.internal.bind",
    global = "org.quantrain.internal.bind.QuantrainNative")
public class QuantrainConfig implements InfoMapper {
  @Override
  public void map(InfoMap infoMap) {
    infoMap.put(new Info("QT_API").cppTypes().annotations());
  }
}
