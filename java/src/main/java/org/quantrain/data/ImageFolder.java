package org.quantrain.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * A folder of JPEG and PNG files with one folder for each class:
 *
 * <pre>
 * PATH/train/cat/a.jpg  PATH/train/dog/b.png ...      or, without parts:  PATH/cat/a.jpg ...
 * PATH/test/cat/c.jpg ...                             (PATH/val is taken where there is no test)
 * </pre>
 *
 * <p>Classes are in the order of their names, and so are the images of a class (by UTF-16 code
 * unit), so that labels and order are the same on every machine. Names that begin with a dot, and
 * files that are no images by their names, are passed over.
 */
public final class ImageFolder {
  private static final String TRAIN = "train";
  private static final List<String> TEST = List.of("test", "val");

  private ImageFolder() {}

  /**
   * The images as they are, which must be of one size, in colour.
   *
   * @throws DataException as {@link #load(Path, Normalization, ImageSize, int)}
   */
  public static DataSplit load(Path folder, Normalization normalization) throws DataException {
    return load(folder, normalization, null, 3);
  }

  /**
   * Lists the images; files are decoded when they are read. Without folders {@code train} and
   * {@code test} (or {@code val}) all images are both parts.
   *
   * @param size scales every image to cover this size and cuts out its middle; null: all images
   *     have the size of the first
   * @param channels 1 (grey) or 3 (red, green, blue)
   * @throws DataException if the folder is missing, a class has no image, the parts differ in their
   *     classes, or the normalization in its channels
   */
  public static DataSplit load(
      Path folder, Normalization normalization, ImageSize size, int channels)
      throws DataException {
    if (!Files.isDirectory(folder)) {
      throw new DataException(folder, "no such folder", "name a folder with one for each class");
    }
    if (channels != 1 && channels != 3) {
      throw new IllegalArgumentException("an image has 1 or 3 channels, got " + channels);
    }
    if (!normalization.fits(channels)) {
      throw new DataException(
          folder,
          "%d channel(s), mean and std have %d values"
              .formatted(channels, normalization.mean().length),
          "give one value, or one per channel");
    }
    Path test = null;
    for (String name : TEST) {
      test = test == null && Files.isDirectory(folder.resolve(name)) ? folder.resolve(name) : test;
    }
    Path train = folder.resolve(TRAIN);
    if (test == null || !Files.isDirectory(train)) {
      Listing all = Listing.of(folder);
      return DataSplit.shared(
          all.source(all.sizeOr(size), size != null, channels, normalization));
    }
    Listing trainImages = Listing.of(train);
    Listing testImages = Listing.of(test);
    requireSameClasses(trainImages, testImages);
    ImageSize common = trainImages.sizeOr(size);
    return new DataSplit(
        trainImages.source(common, size != null, channels, normalization),
        testImages.source(common, size != null, channels, normalization));
  }

  private static void requireSameClasses(Listing train, Listing test) throws DataException {
    List<String> missing = new ArrayList<>(train.classes);
    missing.removeAll(test.classes);
    List<String> unknown = new ArrayList<>(test.classes);
    unknown.removeAll(train.classes);
    if (!missing.isEmpty() || !unknown.isEmpty()) {
      throw new DataException(
          test.folder,
          missing.isEmpty()
              ? "class '%s' is not among those to train with".formatted(unknown.get(0))
              : "no folder for class '%s'".formatted(missing.get(0)),
          "make the same class folders in both parts");
    }
  }

  /** The images of one part. */
  private record Listing(
      Path folder, List<String> classes, List<Path> files, List<Integer> labels) {
    static Listing of(Path folder) throws DataException {
      List<String> classes = new ArrayList<>();
      List<Path> files = new ArrayList<>();
      List<Integer> labels = new ArrayList<>();
      for (Path entry : entries(folder)) {
        if (ImageFile.isNamed(entry) && !Files.isDirectory(entry)) {
          throw new DataException(
              entry, "an image that is in no class", "move it into the folder of its class");
        }
        if (!Files.isDirectory(entry)) {
          continue;
        }
        int before = files.size();
        for (Path file : entries(entry)) {
          if (ImageFile.isOtherKind(file)) {
            throw new DataException(file, "neither JPEG nor PNG", "convert it or remove it");
          }
          if (Files.isDirectory(file)) {
            throw new DataException(file, "a folder in a class", "move its images up");
          }
          if (ImageFile.isNamed(file)) {
            files.add(file);
            labels.add(classes.size());
          }
        }
        if (files.size() == before) {
          throw new DataException(entry, "no .jpg, .jpeg or .png file", "add images or remove it");
        }
        classes.add(entry.getFileName().toString());
      }
      if (classes.isEmpty()) {
        throw new DataException(
            folder, "no class", "make one folder for each class, with its images");
      }
      return new Listing(folder, classes, files, labels);
    }

    private static List<Path> entries(Path folder) throws DataException {
      try (Stream<Path> entries = Files.list(folder)) {
        return entries
            .filter(entry -> !entry.getFileName().toString().startsWith("."))
            .sorted((a, b) -> a.getFileName().toString().compareTo(b.getFileName().toString()))
            .toList();
      } catch (IOException e) {
        throw new DataException(folder, "cannot be listed (" + e + ")", "check permissions", e);
      }
    }

    ImageSize sizeOr(ImageSize given) throws DataException {
      return given == null ? ImageFile.size(files.get(0)) : given;
    }

    DataSource source(ImageSize size, boolean scaled, int channels, Normalization normalization) {
      return new FileImages(
          folder.toAbsolutePath().normalize().getFileName() + " of images",
          files,
          labels.stream().mapToInt(Integer::intValue).toArray(),
          classes,
          size,
          scaled,
          channels,
          normalization);
    }
  }
}
