package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.testkit.Bfloat16;

/**
 * Every kernel of a quantizer with learned values against its oracle: {@link LsqOracle}, {@link
 * LsqPlusOracle}, {@link PactOracle}, {@link TqtOracle}, {@link DsqOracle}, {@link EwgsOracle},
 * {@link ApotOracle}, {@link N2uqOracle}.
 */
class QuantizerGradientsTest {
  /** In steps. A float32 quotient of up to 400 steps is off by 2.4e-5 of one. */
  private static final double CLEARANCE = 1e-3;

  private static Kernels kernels;

  @BeforeAll
  static void open() {
    kernels = Kernels.open(null);
  }

  @AfterAll
  static void close() {
    kernels.close();
  }

  static List<QuantizerOracle> oracles() {
    List<QuantizerOracle> list = new ArrayList<>();
    for (Grid grid :
        List.of(Grid.U2, Grid.U4, Grid.U8, Grid.S2, Grid.S4, Grid.S4.narrow(), Grid.S8)) {
      list.add(new LsqOracle(grid, 0.125f));
      list.add(new LsqPlusOracle(grid, 0.0371f));
      list.add(new EwgsOracle(grid, grid.steps(), 0.2f, 0.25f));
    }
    list.add(new LsqOracle(Grid.S8.narrow(), 1));
    list.add(new EwgsOracle(Grid.U4, 1, 0.01f, 1));
    list.add(new EwgsOracle(Grid.U4, 1, 0, 1));
    for (Grid grid : List.of(Grid.U2, Grid.U4, Grid.U8, Grid.S8)) {
      list.add(new PactOracle(grid, false));
      list.add(new TqtOracle(grid, false));
    }
    for (Grid grid : List.of(Grid.S2, Grid.S4, Grid.S8)) {
      list.add(new PactOracle(grid.narrow(), true));
      list.add(new TqtOracle(grid, true));
      list.add(new TqtOracle(grid.narrow(), true));
    }
    for (int levels : new int[] {3, 14, 15, 255}) {
      list.add(new DsqOracle(levels));
    }
    for (int bits = 2; bits <= 6; bits++) {
      list.add(new ApotOracle(bits, false, false, 1));
      list.add(new ApotOracle(bits, true, false, 0.125f));
    }
    list.add(new ApotOracle(2, true, true, 1));
    for (int bits : new int[] {2, 4, 8}) {
      list.add(new N2uqOracle(bits));
    }
    return list;
  }

  /** One scale, one per first index, one per last index, and one in the middle. */
  private static List<Layout> layouts(QuantizerOracle oracle) {
    Layout tensor = Layout.tensor(1201);
    return oracle.perChannel()
        ? List.of(tensor, new Layout(1, 5, 211), new Layout(203, 7, 1), new Layout(6, 3, 40))
        : List.of(tensor);
  }

  /**
   * @param learned by channel
   */
  private record Problem(Layout layout, float[] x, float[] dy, double[][] learned) {
    static Problem draw(QuantizerOracle oracle, Layout layout, boolean bf16, Random random) {
      double[][] learned = new double[layout.channels()][];
      for (int c = 0; c < learned.length; c++) {
        learned[c] = widened(oracle.learned(random));
      }
      float[] x = new float[layout.elements()];
      for (int i = 0; i < x.length; i++) {
        double[] values = learned[layout.channel(i)];
        double[] reach = oracle.reach(values);
        do {
          x[i] = (float) (reach[0] + (reach[1] - reach[0]) * random.nextDouble());
          x[i] = bf16 ? Bfloat16.round(x[i]) : x[i];
        } while (oracle.clearance(x[i], values) < CLEARANCE);
      }
      return new Problem(layout, x, gradients(x.length, bf16, random), learned);
    }

    static Problem ties(QuantizerOracle oracle, Random random) {
      QuantizerOracle.Ties ties = oracle.ties();
      int n = ties.x().length;
      double[][] learned = {widened(ties.learned())};
      return new Problem(Layout.tensor(n), ties.x(), gradients(n, false, random), learned);
    }

    private static float[] gradients(int n, boolean bf16, Random random) {
      float[] dy = new float[n];
      for (int i = 0; i < n; i++) {
        dy[i] = (float) random.nextGaussian();
        dy[i] = bf16 ? Bfloat16.round(dy[i]) : dy[i];
      }
      return dy;
    }

    private static double[] widened(float[] values) {
      double[] wide = new double[values.length];
      for (int i = 0; i < wide.length; i++) {
        wide[i] = values[i];
      }
      return wide;
    }

    double[] learned(int element) {
      return learned[layout.channel(element)];
    }

    QuantizerCall call(boolean bf16) {
      return new QuantizerCall(kernels, bf16, layout, x, dy, learned);
    }

    @Override
    public String toString() {
      return layout.toString();
    }
  }

  @ParameterizedTest
  @MethodSource("oracles")
  void valuesAreTheOracles(QuantizerOracle oracle) {
    for (boolean bf16 : new boolean[] {false, true}) {
      for (Layout layout : layouts(oracle)) {
        compareValues(oracle, Problem.draw(oracle, layout, bf16, new Random(1)), bf16);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("oracles")
  void gradientsAreTheOracles(QuantizerOracle oracle) {
    for (boolean bf16 : new boolean[] {false, true}) {
      for (Layout layout : layouts(oracle)) {
        compareGradients(oracle, Problem.draw(oracle, layout, bf16, new Random(2)), bf16);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("oracles")
  void exactTiesAreDecidedAsTheOracleSays(QuantizerOracle oracle) {
    Problem problem = Problem.ties(oracle, new Random(3));
    compareValues(oracle, problem, false);
    compareGradients(oracle, problem, false);
  }

  /** NaN has no gradient; infinities are beyond the ends, zeros of both signs are 0. */
  @ParameterizedTest
  @MethodSource("oracles")
  void specialValuesHaveTheGradientOfTheirPlace(QuantizerOracle oracle) {
    float[] special = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, 0f, -0f, 1e30f};
    for (boolean bf16 : new boolean[] {false, true}) {
      for (Layout layout : layouts(oracle)) {
        Problem problem = Problem.draw(oracle, layout, bf16, new Random(4));
        for (int i = 0; i < problem.x.length; i += 5) {
          float x = special[i / 5 % special.length];
          problem.x[i] = bf16 ? Bfloat16.round(x) : x;
        }
        compareGradients(oracle, problem, bf16);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("oracles")
  void gradientsAreTheDirectionalDerivativesOfTheSurrogate(QuantizerOracle oracle) {
    for (Layout layout : layouts(oracle)) {
      Problem problem = Problem.draw(oracle, layout, false, new Random(5));
      int count = problem.learned[0].length;
      int single = Math.min(count, oracle.vectorFrom());
      float[][] base;
      float[][] gradient;
      try (QuantizerCall call = problem.call(false)) {
        oracle.backward(call);
        base = vectors(problem.x, call.learned(), single, 1);
        gradient = vectors(call.out(), call.gradients(), single, oracle.gradientScale());
      }
      QuantizerOracle.Base[] bases = new QuantizerOracle.Base[problem.x.length];
      for (int i = 0; i < bases.length; i++) {
        bases[i] = new QuantizerOracle.Base(problem.x[i], problem.dy[i], problem.learned(i));
      }
      DirectionalDerivatives.check(
          base,
          gradient,
          at -> {
            double[][] learned = new double[layout.channels()][count];
            for (int c = 0; c < learned.length; c++) {
              for (int k = 0; k < count; k++) {
                learned[c][k] = k < single ? at[k + 1][c] : at[single + 1][k - single];
              }
            }
            double sum = 0;
            for (int i = 0; i < bases.length; i++) {
              double[] channel = learned[layout.channel(i)];
              sum += bases[i].dy() * oracle.surrogate(bases[i], at[0][i], channel);
            }
            return sum;
          });
    }
  }

  /**
   * x, the single learned values by channel, and the others, which belong to one channel, as one
   * vector.
   */
  private static float[][] vectors(float[] x, float[][] learned, int single, float scale) {
    List<float[]> vectors = new ArrayList<>(List.of(x));
    for (int k = 0; k < single; k++) {
      vectors.add(learned[k].clone());
    }
    if (single < learned.length) {
      float[] vector = new float[learned.length - single];
      for (int k = 0; k < vector.length; k++) {
        vector[k] = learned[single + k][0];
      }
      vectors.add(vector);
    }
    for (float[] vector : vectors.subList(1, vectors.size())) {
      for (int i = 0; i < vector.length; i++) {
        vector[i] /= scale;
      }
    }
    return vectors.toArray(new float[0][]);
  }

  private static void compareValues(QuantizerOracle oracle, Problem problem, boolean bf16) {
    float[] y;
    try (QuantizerCall call = problem.call(bf16)) {
      oracle.forward(call);
      y = call.out();
    }
    for (int i = 0; i < y.length; i++) {
      Term expected = oracle.value(problem.x[i], problem.learned(i));
      String where = problem + ", bf16 " + bf16 + ", x[" + i + "] = " + problem.x[i];
      assertTrue(expected.allows(y[i], bf16), where + ": " + y[i] + ", expected " + expected);
    }
  }

  private static void compareGradients(QuantizerOracle oracle, Problem problem, boolean bf16) {
    float[] dx;
    float[][] actual;
    try (QuantizerCall call = problem.call(bf16)) {
      oracle.backward(call);
      dx = call.out();
      actual = call.gradients();
    }
    int count = problem.learned[0].length;
    int channels = problem.layout.channels();
    double[][] sum = new double[count][channels];
    double[][] magnitude = new double[count][channels];
    double[][] bound = new double[count][channels];
    for (int i = 0; i < dx.length; i++) {
      String where = problem + ", bf16 " + bf16 + ", x[" + i + "] = " + problem.x[i];
      if (Float.isNaN(problem.x[i])) {
        boolean all = oracle instanceof ApotOracle apot && apot.passThrough();
        assertEquals(all ? problem.dy[i] : 0, dx[i], where);
        continue;
      }
      int c = problem.layout.channel(i);
      Term[] terms = oracle.gradient(problem.x[i], problem.dy[i], problem.learned(i));
      assertTrue(terms[0].allows(dx[i], bf16), where + ": " + dx[i] + ", expected " + terms[0]);
      for (int k = 0; k < count; k++) {
        sum[k][c] += terms[k + 1].value();
        magnitude[k][c] += Math.abs(terms[k + 1].value());
        bound[k][c] += terms[k + 1].bound();
      }
    }
    // Whatever the order, a term goes through fewer additions than there are terms; a sum of sums
    // over segments and the factors after it are no more than the learned values.
    double additions = dx.length / channels + count + 4;
    for (int k = 0; k < count; k++) {
      for (int c = 0; c < channels; c++) {
        double scale = oracle.gradientScale();
        double allowed = scale * (bound[k][c] + additions * Term.FLOAT * magnitude[k][c]);
        String what = problem + ", bf16 " + bf16 + ", learned value " + k + ", channel " + c;
        assertEquals(scale * sum[k][c], actual[k][c], allowed, what);
      }
    }
  }
}
