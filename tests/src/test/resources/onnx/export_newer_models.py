"""Writes small ONNX models of this folder with both exporters of PyTorch 2.

pip install torch==2.13.0 torchvision transformers==5.18.0 onnx onnxscript; python3 export_newer_models.py FOLDER
Since PyTorch 2, attention splits the rows of queries, keys and values by cutting lists of sizes, and
the batch stands in the middle. The second exporter folds every size and writes LayerNormalization and
Gelu as one node. Since its version 5, transformers looks the mask up by the numbers of sample and key.
"""

import sys

import onnx
import torch
from torchvision.models import vision_transformer
from transformers import BertConfig, BertForSequenceClassification, GPT2Config, GPT2LMHeadModel

FOLDER = sys.argv[1]
WORDS = 40
TOKENS = 10


def moved(model):
    """Without weights that are all zero or one."""
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 1 or float(p.abs().max()) == 0:
                p.add_(torch.randn_like(p) * 0.1)
    return model.eval()


def vit():
    torch.manual_seed(1)
    return moved(
        vision_transformer.VisionTransformer(
            image_size=32, patch_size=8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=10
        )
    )


class Bert(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        config = BertConfig(
            vocab_size=WORDS, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
            max_position_embeddings=TOKENS, num_labels=3, attn_implementation="eager")
        self.bert = moved(BertForSequenceClassification(config))

    def forward(self, input_ids, attention_mask):
        return self.bert(input_ids=input_ids, attention_mask=attention_mask).logits


class Gpt(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        config = GPT2Config(
            vocab_size=WORDS, n_positions=TOKENS, n_embd=16, n_layer=1, n_head=2, use_cache=False,
            attn_implementation="eager")
        self.gpt = moved(GPT2LMHeadModel(config))

    def forward(self, input_ids):
        return self.gpt(input_ids=input_ids, use_cache=False).logits


def export(name, opset, dynamo, model, **inputs):
    path = f"{FOLDER}/{name}_{opset}.onnx"
    names = list(inputs)
    if dynamo:
        batch = {0: torch.export.Dim("batch", max=1024)}
        dynamic = {"dynamic_shapes": tuple(batch for _ in names)}
    else:
        dynamic = {"dynamic_axes": {name: {0: "batch"} for name in [*names, "output"]}}
    torch.onnx.export(
        model.eval(), tuple(inputs.values()), path, opset_version=opset, dynamo=dynamo,
        input_names=names, output_names=["output"], external_data=False, **dynamic)
    model = onnx.load(path)
    for node in model.graph.node:
        del node.metadata_props[:]  # where in Python it came from
    onnx.save(model, path)


images = torch.randn(2, 3, 32, 32)
ids = torch.randint(1, WORDS, (2, TOKENS))
mask = (torch.arange(TOKENS) < torch.tensor([[TOKENS], [6]])).long()
export("vit_newer", 17, False, vit(), input=images)
export("vit_newer", 20, True, vit(), input=images)
export("bert_newer", 17, False, Bert(), input_ids=ids, attention_mask=mask)
export("bert_newer", 18, True, Bert(), input_ids=ids, attention_mask=mask)
export("gpt_newer", 18, True, Gpt(), input_ids=ids)
