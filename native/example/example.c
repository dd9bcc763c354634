/* Rounds eight numbers to a grid of 4 bits and passes a gradient back where the grid did not clamp.
 * The same calls run on a GPU in a context of qt_context_create_cuda, with device pointers. */
#include <quantrain.h>
#include <stdio.h>

/* Prints why a call failed. */
static int failed(const qt_context* ctx) {
  fprintf(stderr, "%s\n", qt_last_error(ctx));
  return 1;
}

int main(void) {
  enum { N = 8 };
  const float x[N] = {-3.0f, -1.75f, -0.25f, 0.0f, 0.25f, 0.75f, 1.6f, 100.0f};
  const float dy[N] = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f, 8.0f};
  const float scale = 0.5f;
  const int32_t zero_point = 0;
  float y[N], dx[N];
  uint8_t mask[(N + 7) / 8]; /* one bit per element: whether it was inside the grid's range */

  qt_context* ctx = NULL;
  if (qt_context_create(&ctx, 1) != QT_OK) return 1;
  printf("quantrain %s\n", qt_version());

  const qt_fake_quant_args forward = {.x = x,
                                      .scale = &scale,
                                      .zero_point = &zero_point,
                                      .y = y,
                                      .mask = mask,
                                      .outer = 1,
                                      .channels = 1,
                                      .inner = N,
                                      .qmin = -7,
                                      .qmax = 7};
  if (qt_fake_quant(ctx, &forward) != QT_OK) return failed(ctx);
  const qt_ste_backward_args backward = {.dy = dy, .mask = mask, .dx = dx, .n = N};
  if (qt_ste_backward(ctx, &backward) != QT_OK) return failed(ctx);

  for (int i = 0; i < N; ++i) printf("x %6.2f  y %5.2f  dx %4.1f\n", x[i], y[i], dx[i]);

  /* A mistake is an error with a text, never a crash. */
  qt_fake_quant_args wrong = forward;
  wrong.qmax = wrong.qmin;
  if (qt_fake_quant(ctx, &wrong) == QT_OK) return 1;
  printf("%s\n", qt_last_error(ctx));
  qt_context_destroy(ctx);
  return 0;
}
