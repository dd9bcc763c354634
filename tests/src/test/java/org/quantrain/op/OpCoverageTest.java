package org.quantrain.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.runtime.Backend;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.Example;
import org.quantrain.testkit.OpCase;
import org.quantrain.testkit.OpCases;
import org.quantrain.testkit.Oracle;

/** No operation is forgotten by the cases, the oracle, the gradient tests or the backend. */
class OpCoverageTest {
  /** Operations without a kernel, and why; they need no case either. */
  private static final Map<String, String> WITHOUT_KERNEL =
      Map.of(
          "FakeQuant",
          "marks the place of a quantizer; lowering replaces it before a plan is compiled");

  /** Operations whose gradient the cases do not check, and why. */
  private static final Map<String, String> WITHOUT_GRADIENT_EXAMPLE =
      Map.of(
          "ToFloat", "integers have no gradient, which its vjp says",
          "ToBf16", "straight through a rounding; Bf16GradientsTest compares whole steps");

  private static Set<Class<?>> operations;

  /** Finds every class of the package that is an operation. */
  @BeforeAll
  static void find() {
    operations =
        new ClassFileImporter()
            .importUrl(Op.class.getProtectionDomain().getCodeSource().getLocation()).stream()
                .filter(c -> c.getPackageName().equals(Add.class.getPackageName()))
                .filter(c -> c.isAssignableTo(Op.class) && !c.isInterface())
                .map(JavaClass::reflect)
                .collect(Collectors.toSet());
  }

  private static Set<String> names(Set<? extends Class<?>> classes) {
    return classes.stream()
        .map(Class::getSimpleName)
        .filter(name -> !WITHOUT_KERNEL.containsKey(name))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  @Test
  void everyOperationHasExactlyOneCase() {
    List<String> names = OpCases.all().stream().map(OpCase::name).sorted().toList();
    assertEquals(List.copyOf(names(operations)), names);
  }

  @Test
  void everyOperationHasARuleInTheOracle() {
    assertEquals(names(operations), names(Oracle.operations()));
  }

  @Test
  void everyExemptionNamesAnOperation() {
    Set<String> all = operations.stream().map(Class::getSimpleName).collect(Collectors.toSet());
    assertTrue(all.containsAll(WITHOUT_KERNEL.keySet()), "exempt but gone: " + WITHOUT_KERNEL);
    assertTrue(all.containsAll(WITHOUT_GRADIENT_EXAMPLE.keySet()));
  }

  @Test
  void everyOperationWithAGradientHasAnExampleOfIt() throws Exception {
    Set<String> wanted = new TreeSet<>();
    for (Class<?> op : operations) {
      boolean hasGradient =
          op.getMethod("vjp", GraphBuilder.class, Node.class, List.class).getDeclaringClass() == op;
      if (hasGradient && !WITHOUT_GRADIENT_EXAMPLE.containsKey(op.getSimpleName())) {
        wanted.add(op.getSimpleName());
      }
    }
    Set<String> found =
        OpCases.all().stream()
            .filter(c -> !c.gradients().get().isEmpty())
            .map(OpCase::name)
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(wanted, found);
  }

  @Test
  void theCpuBackendHasAKernelForEveryCase() {
    try (Backend backend = CpuBackend.open(1)) {
      for (OpCase opCase : OpCases.all()) {
        Example example = opCase.examples().get().get(0);
        Graph graph = example.graph(true);
        List<TensorSpec> in = example.inputs().stream().map(HostTensor::spec).toList();
        assertEquals(
            Optional.empty(),
            backend.unsupported(graph.nodes().get(0), in, example.outputSpecs()),
            opCase.name());
      }
    }
  }
}
