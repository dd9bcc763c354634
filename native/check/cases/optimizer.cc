// Loss, optimizers, gradient norm.
#include <math.h>

#include "check/case.h"

namespace qt::check {
namespace {

// Labels, some of them of padded rows.
Data<int32_t> Labels(int64_t rows, int64_t classes) {
  return Integers<int32_t>(rows, rows > 4 ? -1 : 0, classes - 1, 7);
}

void CrossEntropy(Suite& suite, int64_t rows, int64_t classes, float smoothing, bool teacher,
                  bool gradient, int32_t type, bool bad = false) {
  auto& c = suite.Add("softmax_cross_entropy",
                      std::to_string(classes) + " classes" + (teacher ? ", teacher" : "") +
                          (gradient ? "" : ", no gradient") + (bad ? ", NaN" : "") + TypeName(type),
                      qt_softmax_cross_entropy);
  std::vector<float> logits = Uniform(rows * classes, -8.0f, 8.0f, 3);
  if (bad) logits[logits.size() / 2] = NAN;
  c.RealIn(&c.args.logits, type, logits);
  c.In(&c.args.labels, Labels(rows, classes));
  c.OutSum(&c.args.loss, 1, 0.0);  // the same bits, or NaN on both sides
  c.Out(&c.args.correct, 1);
  if (gradient) c.RealOutSum(&c.args.dlogits, type, rows * classes, 0.0);
  if (teacher) c.RealIn(&c.args.teacher, type, Uniform(rows * classes, -8.0f, 8.0f, 5));
  c.args.element_type = type;
  c.args.rows = rows;
  c.args.classes = classes;
  c.args.smoothing = smoothing;
  c.args.temperature = 3.0f;
  c.args.soft_weight = 0.7f;
  c.elements = rows * classes;
}

// Segments of an arena, one of them empty.
std::vector<int64_t> SegmentEnds(int64_t n) { return {n / 3, n / 3, n / 2, n}; }
const std::vector<float> kDecay = {1e-4f, 7.0f, 0.0f, 5e-2f};

template <class C>
void Arena(C* c, int64_t n, bool skip) {
  c->In(&c->args.grad, Uniform(n, -1.0f, 1.0f, 1));
  c->In(&c->args.learning_rate, std::vector<float>{0.05f});
  c->In(&c->args.segment_end, SegmentEnds(n));
  c->In(&c->args.segment_decay, kDecay);
  c->In(&c->args.nonfinite, std::vector<int64_t>{skip ? 2 : 0});
  c->InOut(&c->args.param, Uniform(n, -1.0f, 1.0f, 2));
  c->args.n = n;
  c->args.segments = 4;
  c->elements = n;
}

void Sgd(Suite& suite, int64_t n, bool nesterov, bool skip) {
  auto& c = suite.Add("sgd", std::string(nesterov ? "nesterov" : "momentum") + (skip ? ", skip" : ""),
                      qt_sgd);
  Arena(&c, n, skip);
  c.InOut(&c.args.velocity, Uniform(n, -1.0f, 1.0f, 3));
  c.args.momentum = 0.9f;
  c.args.nesterov = nesterov ? 1 : 0;
}

void AdamW(Suite& suite, int64_t n, int64_t step, bool skip) {
  auto& c = suite.Add("adamw", "step " + std::to_string(step) + (skip ? ", skip" : ""), qt_adamw);
  Arena(&c, n, skip);
  c.InOut(&c.args.mean, Uniform(n, -1.0f, 1.0f, 3));
  c.InOut(&c.args.square, Uniform(n, 0.0f, 1.0f, 4));
  c.In(&c.args.step, std::vector<int64_t>{step});
  c.args.beta1 = 0.9f;
  c.args.beta2 = 0.999f;
  c.args.epsilon = 1e-8f;
}

void GradNorm(Suite& suite, int64_t n, bool finite) {
  auto& c = suite.Add("grad_norm", finite ? "" : "NaN and Inf", qt_grad_norm);
  c.In(&c.args.grad, finite ? Uniform(n, -1.0f, 1.0f, 1) : Values(n, 1e20f, -127, 127, 0, 1));
  // Sums of n squares in double differ by n * 2^-53, far below the last bit of the float norm.
  c.OutSum(&c.args.norm, 1, finite ? sqrt(static_cast<double>(n)) * 1.2e-7 : 1e25);
  c.Out(&c.args.nonfinite, 1);
  c.args.n = n;
  c.elements = n;
}

void ClipGrad(Suite& suite, int64_t n, float norm, int64_t nonfinite) {
  auto& c = suite.Add("clip_grad", "norm " + std::to_string(norm) + (nonfinite != 0 ? ", zeroed" : ""),
                      qt_clip_grad);
  c.InOut(&c.args.grad, Uniform(n, -1.0f, 1.0f, 1));
  c.In(&c.args.norm, std::vector<float>{norm});
  c.In(&c.args.max_norm, std::vector<float>{2.0f});
  c.In(&c.args.nonfinite, std::vector<int64_t>{nonfinite});
  c.args.n = n;
  c.elements = n;
}

void CountNonfinite(Suite& suite, int64_t n) {
  auto& c = suite.Add("count_nonfinite", "", qt_count_nonfinite);
  c.In(&c.args.x, Values(n, 1.0f, -127, 127, 0, 3));
  c.Out(&c.args.count, 1);
  c.args.n = n;
  c.elements = n;
}

}  // namespace

void OptimizerCases(Suite& suite) {
  for (const int64_t n : suite.Sizes()) {
    Sgd(suite, n, /*nesterov=*/false, /*skip=*/false);
    AdamW(suite, n, 1, /*skip=*/false);
    GradNorm(suite, n, /*finite=*/true);
    ClipGrad(suite, n, 3.0f, 0);
    CountNonfinite(suite, n);
    if (suite.timed()) {
      for (const int32_t type : kReals) {
        CrossEntropy(suite, n / 1000, 1000, 0.1f, /*teacher=*/false, /*gradient=*/true, type);
      }
      CrossEntropy(suite, n / 1000, 1000, 0.1f, /*teacher=*/true, /*gradient=*/true,
                   QT_ELEMENT_F32);
      continue;
    }
    Sgd(suite, n, /*nesterov=*/true, /*skip=*/false);
    Sgd(suite, n, /*nesterov=*/true, /*skip=*/true);
    AdamW(suite, n, 123456789, /*skip=*/false);
    AdamW(suite, n, 0, /*skip=*/true);
    GradNorm(suite, n, /*finite=*/false);
    ClipGrad(suite, n, 1.0f, 0);
    ClipGrad(suite, n, 1.0f, 1);
    for (const int64_t classes : {1, 10, 16, 37}) {
      const int64_t rows = (n + 9) / 10;
      for (const int32_t type : kReals) {
        CrossEntropy(suite, rows, classes, 0.0f, /*teacher=*/false, /*gradient=*/true, type);
        CrossEntropy(suite, rows, classes, 0.1f, /*teacher=*/true, /*gradient=*/true, type);
      }
    }
    for (const int32_t type : kReals) {
      CrossEntropy(suite, n, 10, 0.1f, /*teacher=*/true, /*gradient=*/false, type);
      CrossEntropy(suite, n, 10, 0.1f, /*teacher=*/false, /*gradient=*/true, type, /*bad=*/true);
    }
  }
}

}  // namespace qt::check
