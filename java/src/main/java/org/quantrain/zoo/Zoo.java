package org.quantrain.zoo;

import java.util.List;
import org.quantrain.graph.Model;

/**
 * Networks by name, with initial weights. {@code mobilenetv1} and {@code mobilenetv2} take options:
 * {@code width=0.5}, {@code activation=relu6|relu}, as in "mobilenetv2?width=0.5&activation=relu";
 * {@code resnet8}, {@code 20}, {@code 32} and {@code 56} take {@code width}, {@code vit-tiny} takes
 * {@code patch}, {@code dim}, {@code depth} and {@code heads}.
 *
 * <p>The networks that were made for ImageNet have a form for small images (below 64 pixels a
 * side), whose first layers keep the resolution.
 */
public final class Zoo {
  private static final List<String> NAMES =
      List.of(
          "lenet",
          "resnet8",
          "resnet20",
          "resnet32",
          "resnet56",
          "resnet18",
          "resnet34",
          "resnet50",
          "mobilenetv1",
          "mobilenetv2",
          "vgg11",
          "vit-tiny");

  private static final List<String> TEXT_NAMES = List.of("bert-tiny", "gpt-tiny");

  private static final int SMALLEST_IMAGE = 4;

  private Zoo() {}

  public static List<String> names() {
    return NAMES;
  }

  /**
   * Checks a name and its options without building anything.
   *
   * @throws IllegalArgumentException saying what is wrong and what there is
   */
  public static void check(String model) {
    NetworkName name = NetworkName.parse(model);
    if (!NAMES.contains(name.name())) {
      throw new IllegalArgumentException(
          "unknown model '"
              + name.name()
              + "'; models are: "
              + String.join(", ", NAMES)
              + ", or a path to an .onnx file");
    }
    if (name.name().startsWith("mobilenet")) {
      MobileNet.check(name);
    } else if (name.name().equals("vit-tiny")) {
      VisionTransformer.check(name);
    } else if (List.of("resnet8", "resnet20", "resnet32", "resnet56").contains(name.name())) {
      ResNet.check(name);
    } else {
      name.allow(List.of());
    }
  }

  /**
   * A network for images of this size.
   *
   * @param model a name, options after "?" joined by "&"
   * @throws IllegalArgumentException if the name or an option is unknown (naming those there are)
   *     or the image too small
   */
  public static Model build(
      String model, int channels, int height, int width, int classes, long seed) {
    check(model);
    if (Math.min(height, width) < SMALLEST_IMAGE) {
      throw new IllegalArgumentException(
          "model " + model + ": images of at least 4x4, got " + height + "x" + width);
    }
    NetworkName spec = NetworkName.parse(model);
    String name = spec.name();
    ImageSize size = new ImageSize(channels, height, width, classes);
    return switch (name) {
      case "lenet" -> LeNet.build(name, size, seed);
      case "resnet8" -> ResNet.cifar(spec, 1, size, seed);
      case "resnet20" -> ResNet.cifar(spec, 3, size, seed);
      case "resnet32" -> ResNet.cifar(spec, 5, size, seed);
      case "resnet56" -> ResNet.cifar(spec, 9, size, seed);
      case "resnet18" -> ResNet.imagenet(name, new int[] {2, 2, 2, 2}, false, size, seed);
      case "resnet34" -> ResNet.imagenet(name, new int[] {3, 4, 6, 3}, false, size, seed);
      case "resnet50" -> ResNet.imagenet(name, new int[] {3, 4, 6, 3}, true, size, seed);
      case "mobilenetv1" -> MobileNet.v1(spec, size, seed);
      case "mobilenetv2" -> MobileNet.v2(spec, size, seed);
      case "vit-tiny" -> VisionTransformer.build(spec, size, seed);
      case "vgg11" -> Vgg.vgg11(name, size, seed);
      default -> throw new IllegalStateException(name);
    };
  }

  /**
   * A network for texts of so many tokens, with the options {@code dim}, {@code depth} and {@code
   * heads}: "bert-tiny" of inputs input_ids, attention_mask and token_type_ids, int32 [N,length],
   * and output [N,classes]; "gpt-tiny" of input_ids and output [N,length,words], for which classes
   * is 0.
   *
   * @param words how many tokens there are
   * @throws IllegalArgumentException if the name or an option is unknown, naming those there are
   */
  public static Model buildText(String model, int length, int words, int classes, long seed) {
    NetworkName name = NetworkName.parse(model);
    if (!TEXT_NAMES.contains(name.name())) {
      throw new IllegalArgumentException(
          "unknown model '%s' of texts; models are: %s"
              .formatted(name.name(), String.join(", ", TEXT_NAMES)));
    }
    name.allow(Transformer.OPTIONS);
    return name.name().equals("bert-tiny")
        ? TextTransformer.encoder(name, length, words, classes, seed)
        : TextTransformer.decoder(name, length, words, seed);
  }
}
