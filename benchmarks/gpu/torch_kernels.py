"""PyTorch's quantization operators on a GPU, and a table of them beside our kernels.

  torch_kernels.py --elements N --kernels kernels.json --json torch.json > table.md

kernels.json is what `check_kernels --time --cuda --json` printed. Each operator runs on as many
elements as ours, on the same device. Times are medians over samples of a few calls each, between
synchronizations; PyTorch allocates outputs from its cache.
"""
import argparse
import itertools
import json
import platform
import statistics
import time

import torch


def median_ms(call):
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    torch.cuda.synchronize()
    once = max(time.perf_counter() - start, 1e-6)
    runs = max(1, min(200, int(2e-3 / once)))
    samples = []
    for _ in range(31):
        start = time.perf_counter()
        for _ in range(runs):
            call()
        torch.cuda.synchronize()
        samples.append((time.perf_counter() - start) / runs * 1e3)
    return statistics.median(samples)


def fake_quant(x, s, z, qmin, qmax):
    return (torch.clamp(torch.round(x / s) + z, qmin, qmax) - z) * s


def to_codes(x, s, z, qmin, qmax):
    return torch.clamp(torch.round(x / s) + z, qmin, qmax).to(torch.int8)


def lsq_backward(x, dy, s, qmin, qmax):
    v = x / s
    inside = (v > qmin) & (v < qmax)
    slope = torch.where(inside, torch.round(v) - v, torch.clamp(v, qmin, qmax))
    return torch.where(inside, dy, 0.0), (dy * slope).sum()


def products(n):
    """bf16 convolutions and int8 matrix products at the shapes of our products of codes."""
    batch = max(1, n >> 18)  # as in native/check/cases/code_products.cc
    device = "cuda"
    last = torch.channels_last
    for name, size, c, k, kernel, stride, pad, groups in (
            ("7x7 stride 2, 3 to 64, 224 x 224", 224, 3, 64, 7, 2, 3, 1),
            ("1x1, 64 to 256, 56 x 56", 56, 64, 256, 1, 1, 0, 1),
            ("1x1, 256 to 64, 56 x 56", 56, 256, 64, 1, 1, 0, 1),
            ("3x3, 64 to 64, 56 x 56", 56, 64, 64, 3, 1, 1, 1),
            ("3x3, 128 to 128, 28 x 28", 28, 128, 128, 3, 1, 1, 1),
            ("3x3, 256 to 256, 14 x 14", 14, 256, 256, 3, 1, 1, 1),
            ("3x3, 512 to 512, 7 x 7", 7, 512, 512, 3, 1, 1, 1),
            ("1x1, 2048 to 512, 7 x 7", 7, 2048, 512, 1, 1, 0, 1),
            ("3x3, 3 to 16, 32 x 32", 32, 3, 16, 3, 1, 1, 1),
            ("3x3, 16 to 16, 32 x 32", 32, 16, 16, 3, 1, 1, 1),
            ("3x3, 32 to 32, 16 x 16", 16, 32, 32, 3, 1, 1, 1),
            ("3x3, 64 to 64, 8 x 8", 8, 64, 64, 3, 1, 1, 1),
            ("3x3, 96 depthwise, 112 x 112", 112, 96, 96, 3, 1, 1, 96)):
        x = torch.randn(batch, c, size, size, device=device).to(torch.bfloat16, memory_format=last)
        w = torch.randn(k, c // groups, kernel, kernel, device=device).to(
            torch.bfloat16, memory_format=last)
        yield (f"conv2d_codes: {name}", "conv2d of bf16, channels last",
               lambda: torch.nn.functional.conv2d(x, w, None, stride, pad, 1, groups))
        if kernel == 1:
            codes = torch.randint(-128, 128, (batch * size * size, c), dtype=torch.int8, device=device)
            weights = torch.randint(-128, 128, (k, c), dtype=torch.int8, device=device)
            yield (f"conv2d_codes: {name}", "_int_mm of the pixels, s8",
                   lambda: torch._int_mm(codes, weights.t()))
    codes = torch.randint(-128, 128, (batch, 2048), dtype=torch.int8, device=device)
    weights = torch.randint(-128, 128, (1000, 2048), dtype=torch.int8, device=device)
    yield ("gemm_codes: 2048 to 1000", "_int_mm, s8", lambda: torch._int_mm(codes, weights.t()))
    a = torch.randn(12 * batch, 197, 64, device=device, dtype=torch.bfloat16)
    b = torch.randn(12 * batch, 64, 197, device=device, dtype=torch.bfloat16)
    yield "matmul_codes: 197 x 64 x 197", "bmm of bf16", lambda: torch.bmm(a, b)


def cases(n):
    """(our case, PyTorch's operator, call), the data made when the case comes."""
    device = "cuda"
    channels = 64

    def real(*shape, dtype=torch.float32):
        return torch.randn(*shape, device=device).to(dtype)

    def full(count, value):
        return torch.full((count,), value, device=device)

    zero = lambda count: torch.zeros(count, dtype=torch.int32, device=device)
    x = real(n)
    y = torch.empty_like(x)
    yield "copy", "Tensor.copy_", lambda: y.copy_(x)
    del y
    yield ("fake_quant: per tensor, s8", "fake_quantize_per_tensor_affine",
           lambda: torch.fake_quantize_per_tensor_affine(x, 0.0173, 0, -127, 127))
    s1, z1 = full(1, 0.0173), zero(1)
    yield ("fake_quant: per tensor, s8", "fake_quantize_per_tensor_affine, tensor scale",
           lambda: torch.fake_quantize_per_tensor_affine(x, s1, z1, -127, 127))
    compiled = torch.compile(fake_quant, mode="max-autotune-no-cudagraphs")
    yield ("fake_quant: per tensor, s8, no mask", "torch.compile of the formula",
           lambda: compiled(x, s1, 0.0, -127.0, 127.0))
    codes = torch.compile(to_codes, mode="max-autotune-no-cudagraphs")
    yield ("quantize: per tensor, s8, no mask", "torch.compile of the formula",
           lambda: codes(x, s1, 0.0, -127.0, 127.0))
    half = real(n, dtype=torch.bfloat16)
    yield ("fake_quant: per tensor, s8, bf16", "fake_quantize_per_tensor_affine",
           lambda: torch.fake_quantize_per_tensor_affine(half, 0.0173, 0, -127, 127))
    sc, zc = full(channels, 0.0173), zero(channels)
    first, last = x.view(channels, -1), x.view(-1, channels)
    yield ("fake_quant: 64 channels first, s8", "fake_quantize_per_channel_affine, axis 0",
           lambda: torch.fake_quantize_per_channel_affine(first, sc, zc, 0, -127, 127))
    yield ("fake_quant: 64 channels last, s8", "fake_quantize_per_channel_affine, axis 1",
           lambda: torch.fake_quantize_per_channel_affine(last, sc, zc, 1, -127, 127))
    dy, mask = real(n), x > 0.5
    aten = torch.ops.aten
    yield ("ste_backward: masked", "fake_quantize_per_tensor_affine_cachemask_backward",
           lambda: aten.fake_quantize_per_tensor_affine_cachemask_backward(dy, mask))
    on = torch.ones(1, dtype=torch.long, device=device)
    for ours, data, count, per_row in (("per tensor", x, 1, False),
                                       ("64 channels first", first, channels, True)):
        state = [full(count, -1.0), full(count, 1.0), full(count, 1.0), zero(count)]

        def observe(data=data, state=state, per_row=per_row):
            torch.fused_moving_avg_obs_fake_quant(
                data, on, on, *state, 0.01, -127, 127, 0, per_row, True)

        for mode in ("delayed", "exact"):
            yield f"observe_fake_quant: {ours}, {mode}", "fused_moving_avg_obs_fake_quant", observe
    step, offset = full(1, 0.25), torch.zeros(1, device=device)
    yield ("lsq_backward: per tensor, s4", "_fake_quantize_learnable_per_tensor_affine_backward",
           lambda: aten._fake_quantize_learnable_per_tensor_affine_backward(
               dy, x, step, offset, -7, 7, 1.0))
    compiled_lsq = torch.compile(lsq_backward, mode="max-autotune-no-cudagraphs")
    yield ("lsq_backward: per tensor, s4", "torch.compile of the formula",
           lambda: compiled_lsq(x, dy, step, -7.0, 7.0))
    steps, offsets = full(channels, 0.25), torch.zeros(channels, device=device)
    dy_first = dy.view(channels, -1)
    yield ("lsq_backward: 64 channels first, s4",
           "_fake_quantize_learnable_per_channel_affine_backward",
           lambda: aten._fake_quantize_learnable_per_channel_affine_backward(
               dy_first, first, steps, offsets, 0, -7, 7, 1.0))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--elements", type=int, required=True)
    parser.add_argument("--kernels", required=True)
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    peers, failed = [], []
    rows = itertools.chain(cases(options.elements), products(options.elements))
    for case, operator, call in rows:
        try:
            peers.append({"case": case, "operator": operator, "milliseconds": median_ms(call)})
        except Exception as e:  # an operator that this version lacks or refuses
            failed.append(f"{operator}: {type(e).__name__}: {str(e).splitlines()[0]}")
    versions = {"device": torch.cuda.get_device_name(), "torch": torch.__version__,
                "cuda": torch.version.cuda, "python": platform.python_version()}
    with open(options.json, "w") as f:
        json.dump({"versions": versions, "rows": peers, "failed": failed}, f, indent=1)
    with open(options.kernels) as f:
        ours = json.load(f)

    print(f"{versions['device']}, CUDA {versions['cuda']}, PyTorch {versions['torch']}, "
          f"{options.elements:,} elements; device copy {ours['copyGbPerSecond']:.0f} GB/s\n")
    print("| kernel | bytes/element | us | GB/s | of copy |\n|---|---:|---:|---:|---:|")
    times = {}
    for row in ours["rows"]:
        name = f"{row['name']}: {row['variant']}"
        times[name] = row["milliseconds"]
        print(f"| {name} | {row['bytesPerElement']:.3f} | {row['milliseconds'] * 1e3:.1f} | "
              f"{row['gbPerSecond']:.0f} | {row['fractionOfCopy']:.2f} |")
    print("\n| kernel | us | PyTorch's operator | us | ratio |\n|---|---:|---|---:|---:|")
    for peer in peers:
        mine = times.get(peer["case"])
        own, ratio = ("", "")
        if mine:
            own, ratio = f"{mine * 1e3:.1f}", f"{peer['milliseconds'] / mine:.1f}"
        print(f"| {peer['case']} | {own} | {peer['operator']} | "
              f"{peer['milliseconds'] * 1e3:.1f} | {ratio} |")
    for line in failed:
        print(f"\nnot measured: {line}")


if __name__ == "__main__":
    main()
