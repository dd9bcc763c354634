"""Writes small ONNX models of this folder with both exporters of PyTorch 2.

pip install torch==2.13.0 torchvision onnx onnxscript; python3 export_newer_models.py FOLDER
Since PyTorch 2, attention splits the rows of queries, keys and values by cutting lists of sizes, and
the batch stands in the middle. The second exporter folds every size and writes LayerNormalization and
Gelu as one node.
"""

import sys

import onnx
import torch
from torchvision.models import vision_transformer

FOLDER = sys.argv[1]


def vit():
    torch.manual_seed(1)
    model = vision_transformer.VisionTransformer(
        image_size=32, patch_size=8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=10
    )
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 1 or float(p.abs().max()) == 0:
                p.add_(torch.randn_like(p) * 0.1)
    return model.eval()


def export(name, opset, dynamo):
    path = f"{FOLDER}/{name}_{opset}.onnx"
    batch = {0: torch.export.Dim("batch", max=1024)} if dynamo else {0: "batch"}
    dynamic = {"dynamic_shapes": (batch,)} if dynamo else {"dynamic_axes": {"input": batch, "output": batch}}
    torch.onnx.export(
        vit(), (torch.randn(2, 3, 32, 32),), path, opset_version=opset, dynamo=dynamo,
        input_names=["input"], output_names=["output"], external_data=False, **dynamic)
    model = onnx.load(path)
    for node in model.graph.node:
        del node.metadata_props[:]  # where in Python it came from
    onnx.save(model, path)


export("vit_newer", 17, False)
export("vit_newer", 20, True)
