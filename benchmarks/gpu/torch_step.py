"""PyTorch's training steps, float and quantization-aware, as rows beside those of `quantrain bench step`.

  torch_step.py --model resnet50@224,resnet20@32 --batch 128,256 --rows rows.jsonl

A step is forward, backward and update (SGD with momentum and weight decay) on one batch of noise
that lies in the device's memory, channels-last, with cudnn.benchmark. Quantized are the eager
modules of torch.ao.quantization: convolution and batch norm fused for training,
FusedMovingAvgObsFakeQuantize on weights (per channel) and activations. Times are medians of
samples between CUDA events, each of as many steps as take 0.1 s. Eager steps of all networks and
batches come first, then the same under torch.compile. Each row is written when it is measured; a
step that fails is a row with its error.
"""
import argparse
import contextlib
import gc
import json
import statistics
import time

import torch
from torch import nn
from torch.ao import quantization as aoq
from torch.ao.nn.quantized import FloatFunctional

# name, quantized, dtype of autocast, TF32
STEPS = (
    ("float bf16", False, torch.bfloat16, True),
    ("QAT W8A8 bf16", True, torch.bfloat16, True),
    ("float32", False, None, False),
    ("QAT W8A8 float32", True, None, False),
    ("float32 TF32", False, None, True),
    ("QAT W8A8 TF32", True, None, True),
)


class Block(nn.Module):
    """Two 3x3 convolutions, or with a bottleneck 1x1, 3x3 (which has the stride) and 1x1."""

    def __init__(self, before, channels, stride, bottleneck):
        super().__init__()
        after = 4 * channels if bottleneck else channels
        layers = ([(before, channels, 1, 1), (channels, channels, 3, stride), (channels, after, 1, 1)]
                  if bottleneck else [(before, channels, 3, stride), (channels, after, 3, 1)])
        self.depth = len(layers)
        for i, (a, b, kernel, step) in enumerate(layers):
            setattr(self, f"conv{i}", nn.Conv2d(a, b, kernel, step, kernel // 2, bias=False))
            setattr(self, f"bn{i}", nn.BatchNorm2d(b))
            if i < self.depth - 1:
                setattr(self, f"relu{i}", nn.ReLU())
        self.changes = stride != 1 or before != after
        if self.changes:
            self.shortcut = nn.Conv2d(before, after, 1, stride, bias=False)
            self.shortcut_bn = nn.BatchNorm2d(after)
        self.join = FloatFunctional()

    def forward(self, x):
        y = x
        for i in range(self.depth):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.depth - 1:
                y = getattr(self, f"relu{i}")(y)
        if self.changes:
            x = self.shortcut_bn(self.shortcut(x))
        return self.join.add_relu(y, x)

    def fusable(self):
        last = self.depth - 1
        names = [[f"conv{i}", f"bn{i}", f"relu{i}"] for i in range(last)]
        names.append([f"conv{last}", f"bn{last}"])
        return names + ([["shortcut", "shortcut_bn"]] if self.changes else [])


class ResNet(nn.Module):
    """The networks of the same names in Quantrain's zoo, with as many parameters."""

    def __init__(self, name, size):
        super().__init__()
        large = name == "resnet50"
        widths, counts = ((64, 128, 256, 512), (3, 4, 6, 3)) if large else ((16, 32, 64), (3, 3, 3))
        stem = (7, 2, 3) if large and size >= 64 else (3, 1, 1)
        self.quant, self.dequant = aoq.QuantStub(), aoq.DeQuantStub()
        self.conv = nn.Conv2d(3, widths[0], *stem, bias=False)
        self.bn, self.relu = nn.BatchNorm2d(widths[0]), nn.ReLU()
        self.pool = nn.MaxPool2d(3, 2, 1) if stem[1] == 2 else nn.Identity()
        blocks, before = [], widths[0]
        for stage, (width, count) in enumerate(zip(widths, counts)):
            for i in range(count):
                stride = 2 if i == 0 and stage > 0 else 1
                blocks.append(Block(before, width, stride, large))
                before = 4 * width if large else width
        self.blocks = nn.Sequential(*blocks)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(before, 1000 if size >= 64 else 10)

    def forward(self, x):
        x = self.pool(self.relu(self.bn(self.conv(self.quant(x)))))
        x = self.average(self.blocks(x))
        return self.dequant(self.fc(torch.flatten(x, 1)))


class Widened(aoq.FusedMovingAvgObsFakeQuantize):
    """The operator takes float32 only."""

    def forward(self, x):
        return super().forward(x.float())


def quantized(model, narrow):
    fake = Widened if narrow else aoq.FusedMovingAvgObsFakeQuantize
    model.train()
    aoq.fuse_modules_qat(model, [["conv", "bn", "relu"]], inplace=True)
    for block in model.blocks:
        aoq.fuse_modules_qat(block, block.fusable(), inplace=True)
    model.qconfig = aoq.QConfig(
        activation=fake.with_args(
            observer=aoq.MovingAverageMinMaxObserver, quant_min=0, quant_max=255,
            dtype=torch.quint8),
        weight=fake.with_args(
            observer=aoq.MovingAveragePerChannelMinMaxObserver, quant_min=-128, quant_max=127,
            dtype=torch.qint8, qscheme=torch.per_channel_symmetric))
    return aoq.prepare_qat(model)


class Clock:
    """Times what a device does; on the CPU only to try this script."""

    def __init__(self, device):
        self.cuda = device.type == "cuda"

    def finish(self):
        if self.cuda:
            torch.cuda.synchronize()

    def seconds(self, call, repeats):
        if not self.cuda:
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            return (time.perf_counter() - start) / repeats
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(repeats):
            call()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3 / repeats


def measured(row, quantize, dtype, tf32, compiled, device, samples):
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    clock = Clock(device)
    if clock.cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        free = torch.cuda.mem_get_info()[0]
    model = ResNet(row["model"], row["size"])
    if quantize:
        model = quantized(model, dtype is not None)
    model = model.to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)
    runs = torch.compile(model) if compiled else model
    generator = torch.Generator().manual_seed(1)
    batch, size = row["batch"], row["size"]
    x = torch.randn(batch, 3, size, size, generator=generator)
    x = x.to(device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(1000 if size >= 64 else 10, (batch,), generator=generator).to(device)
    loss_of = nn.CrossEntropyLoss()
    losses = []

    def step():
        optimizer.zero_grad(set_to_none=True)
        narrow = torch.autocast(device.type, dtype) if dtype else contextlib.nullcontext()
        with narrow:
            loss = loss_of(runs(x), labels)
        loss.backward()
        optimizer.step()
        losses[:] = [loss.detach()]

    for _ in range(5):
        step()
    clock.finish()
    repeats = max(1, int(0.1 / max(1e-6, clock.seconds(step, 1))) + 1)
    clock.seconds(step, repeats)
    seconds = sorted(clock.seconds(step, repeats) for _ in range(samples))
    median = statistics.median(seconds)
    row.update(milliseconds=median * 1e3, fastestMilliseconds=seconds[0] * 1e3,
               slowestMilliseconds=seconds[-1] * 1e3, imagesPerSecond=batch / median,
               loss=losses[0].item())
    if clock.cuda:
        row["allocatedBytes"] = torch.cuda.max_memory_allocated()
        row["deviceBytes"] = free - torch.cuda.mem_get_info()[0]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resnet50@224,resnet20@32")
    parser.add_argument("--batch", default="128,256")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", default="", help="texts, one of which is in the step's name")
    parser.add_argument("--samples", type=int, default=15)
    parser.add_argument("--rows", required=True, help="file to append to, a line of JSON a step")
    options = parser.parse_args()
    device = torch.device(options.device)
    versions = f"PyTorch {torch.__version__}"
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        versions = (f"{torch.cuda.get_device_name(device)}, {versions}, CUDA {torch.version.cuda}, "
                    f"cuDNN {torch.backends.cudnn.version()}")
    print(versions, flush=True)
    for compiled in (False, True):
        for batch in map(int, options.batch.split(",")):
            for network in options.model.split(","):
                model, size = network.split("@")
                for name, quantize, dtype, tf32 in STEPS:
                    step = name + (" compiled" if compiled else "")
                    if not any(text in step for text in options.only.split(",")):
                        continue
                    row = {"side": "pytorch", "model": model, "size": int(size), "batch": batch,
                           "step": step, "device": versions}
                    try:
                        measured(row, quantize, dtype, tf32, compiled, device, options.samples)
                        print(f"{network} batch {batch} {step}: {row['milliseconds']:.2f} ms",
                              flush=True)
                    except Exception as e:  # memory, or what this version lacks
                        lines = str(e).splitlines() or [""]
                        row["error"] = f"{type(e).__name__}: {lines[0]}"
                        print(f"{network} batch {batch} {step}: {row['error']}", flush=True)
                    with open(options.rows, "a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")
                    gc.collect()
                    if compiled and hasattr(torch, "_dynamo"):
                        torch._dynamo.reset()
                    if device.type == "cuda":
                        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
