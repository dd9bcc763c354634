"""Writes the test models of operator sets 18 to 21, which PyTorch's older exporter does not know.

pip install onnx; python3 convert_models.py FOLDER
What export_models.py wrote goes through the converter of the ONNX project. From operator set 20 on
exporters write GELU as one node; where the models have its parts, they are put together here.
"""

import sys

import onnx
from onnx import helper, version_converter

FOLDER = sys.argv[1]


def readers(graph, tensor):
    return [n for n in graph.node if tensor in n.input]


def follow(graph, node, *operators):
    """The nodes behind one, each the only reader of the last with this operator."""
    for operator in operators:
        (node,) = [n for n in readers(graph, node.output[0]) if n.op_type == operator]
    return node


def fuse(graph, inner, last, x, approximate):
    """A Gelu in the place of the node that makes its result; the rest is left for remove_dead."""
    gelu = helper.make_node(
        "Gelu", [x], [last.output[0]], name=inner.name + ".gelu", approximate=approximate
    )
    position = list(graph.node).index(last)
    graph.node.remove(last)
    graph.node.insert(position, gelu)


def remove_dead(graph):
    while True:
        used = {o.name for o in graph.output}.union(*(n.input for n in graph.node))
        dead = [n for n in graph.node if not used.intersection(n.output)]
        if not dead:
            return
        for node in dead:
            graph.node.remove(node)


def fuse_gelus(graph):
    made_by = {o: n for n in graph.node for o in n.output}
    for node in list(graph.node):
        if node.op_type == "Erf":
            # x / sqrt(2), Erf, + 1, * x, * 0.5
            last = follow(graph, node, "Add", "Mul", "Mul")
            fuse(graph, node, last, made_by[node.input[0]].input[0], "none")
        elif node.op_type == "Tanh" and made_by[node.input[0]].op_type == "Mul":
            # sqrt(2 / pi) (x + 0.044715 x^3), Tanh, + 1, * 0.5 x
            cube = next(n for n in graph.node if n.op_type == "Pow" and precedes(graph, n, node))
            fuse(graph, node, follow(graph, node, "Add", "Mul"), cube.input[0], "tanh")
    remove_dead(graph)


def precedes(graph, first, last):
    """Whether a node is a few steps before another."""
    steps = [first]
    for _ in range(4):
        steps = [r for n in steps for r in readers(graph, n.output[0])]
        if last in steps:
            return True
    return False


def convert(source, opset, gelu=False):
    model = version_converter.convert_version(onnx.load(f"{FOLDER}/{source}.onnx"), opset)
    if gelu:
        fuse_gelus(model.graph)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, f"{FOLDER}/{source.rsplit('_', 1)[0]}_{opset}.onnx")


convert("vit_13", 18)
convert("bert_13", 19)
convert("gpt_17", 20, gelu=True)
convert("bert_17", 21, gelu=True)
