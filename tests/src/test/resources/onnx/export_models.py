"""Writes the small ONNX models of this folder with PyTorch 1.13's exporter.

Debian 12: apt-get install python3-torch python3-torchvision; /usr/bin/python3 export_models.py FOLDER
The vision models are torchvision's own classes, small; the encoder and the decoder are written here in
the form in which the well-known libraries run theirs. Weights are random, statistics are of random data.
"""
import importlib
import math
import sys
import warnings

import torch
import torchvision.models as models
from torch import nn
from torchvision.models import densenet, efficientnet, mobilenetv2, mobilenetv3, resnet
from torchvision.models import convnext, shufflenetv2, vgg, vision_transformer

googlenet = importlib.import_module("torchvision.models.googlenet")
FOLDER = sys.argv[1] if len(sys.argv) > 1 else "."
warnings.filterwarnings("ignore")


class Blocks(nn.Module):
    """A stem, torchvision's residual blocks, a head."""

    def __init__(self, block, width=8):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1))
        out = width * block.expansion
        short = nn.Sequential(nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out))
        down = nn.Sequential(nn.Conv2d(out, 2 * out, 1, 2, bias=False), nn.BatchNorm2d(2 * out))
        kind = dict(base_width=64)
        self.body = nn.Sequential(
            block(width, width, 1, short, **kind), block(out, width, **kind),
            block(out, 2 * width, 2, down, **kind))
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(2 * out, 10)

    def forward(self, x):
        x = self.pool(self.body(self.stem(x)))
        return self.fc(torch.flatten(x, 1))


class OptionA(nn.Module):
    """The CIFAR shortcut without parameters: every second pixel, new channels zero."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(x))
        y = y + nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4), "constant", 0)
        y = torch.relu(y)
        y = nn.functional.avg_pool2d(y, int(y.size()[3]))
        return self.fc(y.view(y.size(0), -1))


class Selection(nn.Module):
    """Layers that the families above do not have."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 8, 5, stride=2, padding=2)
        self.bn = nn.BatchNorm1d(8)
        self.prelu = nn.PReLU(8)
        self.up = nn.ConvTranspose2d(8, 6, 3, 2, 1, output_padding=1, groups=2)
        self.fc = nn.Linear(6, 10)

    def forward(self, x):
        x = self.prelu(self.bn(self.conv(x)))
        x = x.unsqueeze(-1)
        x = nn.functional.leaky_relu(self.up(x), 0.1)
        x = nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = nn.functional.interpolate(x, scale_factor=2, mode="nearest")
        a, b = x.chunk(2, dim=2)
        x = torch.max(nn.functional.elu(a), nn.functional.softplus(b))
        return nn.functional.softmax(self.fc(x.mean((2, 3))), dim=-1)


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.size = heads, dim // heads
        self.query, self.key, self.value, self.dense = (nn.Linear(dim, dim) for _ in range(4))

    def split(self, x):
        x = x.view(x.size()[:-1] + (self.heads, self.size))
        return x.permute(0, 2, 1, 3)

    def forward(self, x, mask):
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(self.size)
        probs = nn.functional.softmax(scores + mask, dim=-1)
        y = torch.matmul(probs, v).permute(0, 2, 1, 3).contiguous()
        return self.dense(y.view(y.size()[:-2] + (self.heads * self.size,)))


class EncoderLayer(nn.Module):
    def __init__(self, dim, heads, inner):
        super().__init__()
        self.attention = Attention(dim, heads)
        self.norm1, self.norm2 = (nn.LayerNorm(dim, eps=1e-12) for _ in range(2))
        self.up, self.down = nn.Linear(dim, inner), nn.Linear(inner, dim)

    def forward(self, x, mask):
        x = self.norm1(self.attention(x, mask) + x)
        return self.norm2(self.down(nn.functional.gelu(self.up(x))) + x)


class Encoder(nn.Module):
    """BERT with a classifier on its first token."""

    def __init__(self, dim=16, heads=2, inner=32, layers=2, words=50, longest=24):
        super().__init__()
        self.words = nn.Embedding(words, dim, padding_idx=0)
        self.positions, self.types = nn.Embedding(longest, dim), nn.Embedding(2, dim)
        self.norm = nn.LayerNorm(dim, eps=1e-12)
        self.register_buffer("ids", torch.arange(longest).expand((1, -1)))
        self.layers = nn.ModuleList(EncoderLayer(dim, heads, inner) for _ in range(layers))
        self.pooler, self.classifier = nn.Linear(dim, dim), nn.Linear(dim, 3)

    def forward(self, input_ids, attention_mask, token_type_ids):
        ids = self.ids[:, : input_ids.size()[1]]
        x = self.words(input_ids) + self.types(token_type_ids) + self.positions(ids)
        x = self.norm(x)
        mask = attention_mask[:, None, None, :].to(dtype=x.dtype)
        mask = (1.0 - mask) * torch.finfo(x.dtype).min
        for layer in self.layers:
            x = layer(x, mask)
        return self.classifier(torch.tanh(self.pooler(x[:, 0])))


class Conv1D(nn.Module):
    def __init__(self, outputs, inputs):
        super().__init__()
        self.outputs = outputs
        self.weight = nn.Parameter(torch.randn(inputs, outputs) * 0.2)
        self.bias = nn.Parameter(torch.randn(outputs) * 0.1)

    def forward(self, x):
        size = x.size()[:-1] + (self.outputs,)
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(size)


class DecoderLayer(nn.Module):
    def __init__(self, dim, heads, longest):
        super().__init__()
        self.dim, self.heads, self.size = dim, heads, dim // heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = Conv1D(3 * dim, dim), Conv1D(dim, dim)
        self.up, self.down = Conv1D(4 * dim, dim), Conv1D(dim, 4 * dim)
        below = torch.tril(torch.ones((longest, longest), dtype=torch.bool))
        self.register_buffer("below", below.view(1, 1, longest, longest))

    def split(self, x):
        return x.view(x.size()[:-1] + (self.heads, self.size)).permute(0, 2, 1, 3)

    def attention(self, x):
        q, k, v = (self.split(t) for t in self.qkv(x).split(self.dim, dim=2))
        scores = torch.matmul(q, k.transpose(-1, -2))
        scores = scores / torch.full([], self.size ** 0.5, dtype=scores.dtype)
        length = k.size(-2)
        mask = self.below[:, :, length - q.size(-2) : length, :length]
        low = torch.full([], torch.finfo(scores.dtype).min, dtype=scores.dtype)
        probs = nn.functional.softmax(torch.where(mask, scores, low), dim=-1)
        y = torch.matmul(probs, v).permute(0, 2, 1, 3).contiguous()
        return self.out(y.view(y.size()[:-2] + (self.dim,)))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        h = self.up(self.norm2(x))
        h = 0.5 * h * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (h + 0.044715 * torch.pow(h, 3.0))))
        return x + self.down(h)


class Decoder(nn.Module):
    """GPT-2 with tied embeddings."""

    def __init__(self, dim=16, heads=2, layers=2, words=40, longest=24):
        super().__init__()
        self.words, self.positions = nn.Embedding(words, dim), nn.Embedding(longest, dim)
        self.layers = nn.ModuleList(DecoderLayer(dim, heads, longest) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, words, bias=False)
        self.head.weight = self.words.weight

    def forward(self, input_ids):
        length = input_ids.size(-1)
        input_ids = input_ids.view(-1, length)
        ids = torch.arange(0, length, dtype=torch.long, device=input_ids.device)
        x = self.words(input_ids) + self.positions(ids.unsqueeze(0).view(-1, length))
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)
        return self.head(x.view(input_ids.size() + (x.size(-1),)))


def write(name, model, inputs, opset, names=("input",), dynamic=True, training=False, **more):
    torch.manual_seed(1)
    model.train()
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 1:
                p.add_(torch.randn_like(p) * 0.1)
        if inputs[0].is_floating_point():
            for _ in range(3):
                model(torch.randn((4,) + inputs[0].shape[1:]))
    model.eval()
    mode = torch.onnx.TrainingMode.TRAINING if training else torch.onnx.TrainingMode.EVAL
    if training:
        more["do_constant_folding"] = False
    torch.onnx.export(
        model, inputs, f"{FOLDER}/{name}.onnx", opset_version=opset, input_names=list(names),
        output_names=["output"], training=mode,
        dynamic_axes={n: {0: "batch"} for n in (*names, "output")} if dynamic else None, **more)
    print(name)


def image(size=32, batch=2):
    return torch.randn(batch, 3, size, size)


def mobilenet_v3():
    block = mobilenetv3.InvertedResidualConfig
    settings = [block(8, 3, 8, 8, True, "RE", 2, 1, 1.0), block(8, 5, 24, 16, True, "HS", 2, 1, 1.0),
                block(16, 5, 32, 16, False, "HS", 1, 1, 1.0)]
    return mobilenetv3.MobileNetV3(settings, 32, num_classes=10)


def efficientnet_():
    block = efficientnet.MBConvConfig
    settings = [block(1, 3, 1, 8, 8, 1, 1.0, 1.0), block(4, 3, 2, 8, 12, 2, 1.0, 1.0)]
    return efficientnet.EfficientNet(settings, 0.2, num_classes=10, last_channel=24) \
        if "last_channel" in efficientnet.EfficientNet.__init__.__code__.co_varnames \
        else efficientnet.EfficientNet(settings, 0.2, num_classes=10)


def googlenet_():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, stride=2, ceil_mode=True),
        googlenet.Inception(8, 4, 4, 8, 2, 4, 4), nn.MaxPool2d(2, stride=2, ceil_mode=True),
        nn.AvgPool2d(3, 2, ceil_mode=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(20, 10))
    return net


def vit():
    return vision_transformer.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32,
        num_classes=10, representation_size=None)


def randomized(model):
    """Zeros and ones at the start would hide faults."""
    torch.manual_seed(2)
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() > 1 and float(p.abs().max()) == 0:
                p.copy_(torch.randn_like(p) * 0.1)
    return model


def main():
    torch.manual_seed(0)
    ids = torch.randint(1, 40, (2, 12))
    mask = torch.ones_like(ids)
    mask[1, 8:] = 0
    types = (torch.arange(12) > 6).long().expand(2, -1).contiguous()
    bert = ("input_ids", "attention_mask", "token_type_ids")
    for opset in (11, 13, 17):
        write(f"resnet_basic_{opset}", Blocks(resnet.BasicBlock), (image(),), opset)
        write(f"vit_{opset}", randomized(vit()), (image(),), opset)
        write(f"bert_{opset}", Encoder(), (ids, mask, types), opset, bert)
        write(f"gpt_{opset}", Decoder(), (ids,), opset, ("input_ids",))
    write("resnet_bottleneck_13", Blocks(resnet.Bottleneck, 64 // 8), (image(),), 13, dynamic=False)
    write("resnet_option_a_13", OptionA(), (image(),), 13)
    write("resnet_training_13", Blocks(resnet.BasicBlock), (image(),), 13, training=True)
    write("resnet_9", Blocks(resnet.BasicBlock), (image(),), 9, dynamic=False)
    write("vit_fixed_13", randomized(vit()), (image(batch=1),), 13, dynamic=False)
    write("bert_fixed_13", Encoder(), (ids[:1], mask[:1], types[:1]), 13, bert, dynamic=False)
    setting = [[1, 8, 1, 1], [6, 8, 2, 2], [6, 16, 1, 2]]
    for opset in (9, 13, 17):
        net = models.MobileNetV2(10, 0.25, setting, 8)
        net.classifier[1] = nn.Linear(1280, 10)
        net.features[-1] = mobilenetv2.Conv2dNormActivation(
            net.features[-1][0].in_channels, 32, kernel_size=1, activation_layer=nn.ReLU6)
        net.classifier[1] = nn.Linear(32, 10)
        write(f"mobilenet_v2_{opset}", net, (image(),), opset)
    for opset in (11, 14):
        write(f"mobilenet_v3_{opset}", mobilenet_v3(), (image(),), opset)
    write("efficientnet_13", efficientnet_(), (image(),), 13)
    write("densenet_13", densenet.DenseNet(4, (2, 2), 8, 2, num_classes=10), (image(64),), 13)
    features = vgg.make_layers([8, "M", 16, "M"], batch_norm=True)
    net = vgg.VGG(features, num_classes=10)
    net.avgpool = nn.AdaptiveAvgPool2d((4, 4))
    net.classifier = nn.Sequential(
        nn.Linear(256, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 10))
    write("vgg_13", net, (image(),), 13)
    write("googlenet_13", googlenet_(), (image(),), 13)
    block = nn.Sequential(
        nn.Conv2d(3, 8, 1), shufflenetv2.InvertedResidual(8, 16, 2),
        shufflenetv2.InvertedResidual(16, 16, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(16, 10))
    write("shufflenet_13", block, (image(),), 13)
    settings = [convnext.CNBlockConfig(8, 16, 1), convnext.CNBlockConfig(16, None, 1)]
    write("convnext_13", convnext.ConvNeXt(settings, num_classes=10), (image(64),), 13)
    write("layers_13", Selection(), (torch.randn(2, 3, 16),), 13)


main()
