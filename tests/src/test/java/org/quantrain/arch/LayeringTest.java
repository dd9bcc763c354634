package org.quantrain.arch;

import static com.tngtech.archunit.core.domain.JavaCall.Predicates.target;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.assignableTo;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.nameMatching;
import static com.tngtech.archunit.core.domain.properties.HasOwner.Predicates.With.owner;
import static com.tngtech.archunit.lang.conditions.ArchConditions.dependOnClassesThat;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.quantrain.graph.Graph;

/** Who may import whom. */
class LayeringTest {
  private static final String ROOT = "org.quantrain";

  /**
   * Parts of the library from the top to the bottom; a part may use those below it, and its
   * neighbours without a cycle.
   */
  private static final List<List<String>> LAYERS =
      List.of(
          List.of("cli"),
          List.of(""),
          List.of(
              "train",
              "bench",
              "zoo",
              "data",
              "onnx",
              "tflite",
              "integer",
              "export",
              "report",
              "bundle"),
          List.of("pass", "autodiff", "plan", "runtime", "quant"),
          List.of("op"),
          List.of("graph"),
          List.of("tensor", "io"));

  private static final Set<String> BESIDE = Set.of("backend", "internal");

  private static JavaClasses library;

  @BeforeAll
  static void read() {
    // The tests have packages of the same names, so the library is read from where its classes are.
    library =
        new ClassFileImporter()
            .importUrl(Graph.class.getProtectionDomain().getCodeSource().getLocation());
  }

  private static String packages(String part) {
    return part.isEmpty() ? ROOT : ROOT + "." + part + "..";
  }

  private static String name(int layer) {
    String parts = String.join(", ", LAYERS.get(layer));
    return parts.isEmpty() ? "facade" : parts;
  }

  @Test
  void everyPackageHasItsPlace() {
    Set<String> placed = new TreeSet<>(BESIDE);
    LAYERS.forEach(placed::addAll);
    Set<String> found = new TreeSet<>();
    for (JavaClass c : library) {
      String rest = c.getPackageName().substring(ROOT.length());
      found.add(rest.isEmpty() ? "" : rest.substring(1).split("\\.")[0]);
    }
    found.removeAll(placed);
    assertTrue(found.isEmpty(), "packages without a layer: " + found);
  }

  @Test
  void everyLayerUsesOnlyWhatIsBelowIt() {
    var rule = layeredArchitecture().consideringOnlyDependenciesInLayers();
    for (int i = 0; i < LAYERS.size(); i++) {
      rule =
          rule.optionalLayer(name(i))
              .definedBy(LAYERS.get(i).stream().map(LayeringTest::packages).toArray(String[]::new));
    }
    for (int i = 0; i < LAYERS.size(); i++) {
      String[] above = new String[i];
      for (int k = 0; k < i; k++) {
        above[k] = name(k);
      }
      rule =
          i == 0
              ? rule.whereLayer(name(i)).mayNotBeAccessedByAnyLayer()
              : rule.whereLayer(name(i)).mayOnlyBeAccessedByLayers(above);
    }
    rule.check(library);
  }

  @Test
  void aBackendKnowsRuntimeOperationsAndBindingsOnly() {
    DescribedPredicate<JavaClass> other =
        resideInAPackage(ROOT + "..")
            .and(
                DescribedPredicate.not(
                    resideInAnyPackage(
                        packages("backend"),
                        packages("runtime"),
                        packages("op"),
                        packages("graph"),
                        packages("tensor"),
                        packages("internal.bind"))));
    noClasses()
        .that()
        .resideInAPackage(packages("backend"))
        .should(dependOnClassesThat(other))
        .check(library);
  }

  /** The memory that they are bound to may be a device's. */
  @Test
  void sharedKernelsLeaveMemoryToNativeCode() {
    noClasses()
        .that()
        .resideInAPackage(packages("backend.shared"))
        .should()
        .callMethodWhere(
            target(owner(assignableTo("org.bytedeco.javacpp.Pointer")))
                .and(target(nameMatching("mem(cpy|move|set|cmp)|asBuffer"))))
        .because("the host cannot reach a device's memory")
        .check(library);
  }

  @Test
  void onlyTheFacadeOpensABackend() {
    classes()
        .that()
        .resideInAPackage(packages("backend"))
        .should()
        .onlyBeAccessed()
        .byAnyPackage(packages("backend"), ROOT)
        .check(library);
  }

  /** The process of a runtime is not the library's: nothing of it calls that class. */
  @Test
  void nativeTypesStayInTheBackendAndInTheProcessOfARuntime() {
    noClasses()
        .that()
        .resideOutsideOfPackages(packages("backend"), packages("internal"))
        .and()
        .haveNameNotMatching(".*\\.TfliteChild(\\$.*)?")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.bytedeco..", packages("internal"))
        .check(library);
  }

  @Test
  void noTwoPackagesNeedEachOther() {
    slices().matching(ROOT + ".(**)").should().beFreeOfCycles().check(library);
  }
}
