"""One Markdown table for each network and batch, of the rows that `quantrain bench step --rows` and
torch_step.py appended to one file.

  step_table.py rows.jsonl > table.md
"""
import collections
import json
import sys


def label(row):
    device = row.get("device", "")
    options = [text for text in ("TF32", "fastest algorithms") if text in device]
    if row["side"] == "pytorch":
        return "PyTorch " + row["step"]
    return "Quantrain " + ", ".join([row["step"]] + options)


def products(step):
    """What a quantized step's gradients are made of, to compare like with like."""
    return "bf16" if "bf16" in step else "TF32" if "TF32" in step else "float32"


def ratio(above, below):
    return f"{above / below:.2f}" if above and below else ""


def megabytes(row, name):
    return f"{row[name] / 1e6:,.0f}" if name in row else ""


def table(rows):
    good = [row for row in rows if "error" not in row]

    def fastest(test):
        times = [row["milliseconds"] for row in good if test(row)]
        return min(times) if times else None

    peers = {products(row["step"]): row for row in good
             if row["side"] == "pytorch" and "QAT" in row["step"] and "compiled" not in row["step"]}
    best_peer = fastest(lambda row: row["side"] == "pytorch" and "QAT" in row["step"])
    print("| step | ms | images/s | allocated MB | device MB | of own bf16 float step "
          "| PyTorch's QAT, same products, over this | PyTorch's fastest QAT over this "
          "| allocated over PyTorch's QAT | loss |")
    print("|---|" + "---:|" * 9)
    for row in rows:
        name = label(row)
        if "error" in row:
            print(f"| {name} | {row['error'].replace('|', '/')} |" + " |" * 8)
            continue
        own = fastest(lambda other: other["side"] == row["side"] and other["step"] == (
            "float bf16 compiled" if "compiled" in row["step"] else "float bf16"))
        ours = row["side"] == "quantrain" and "QAT" in row["step"]
        alike = ours and "W8A8" in name  # as PyTorch's are
        peer = peers.get(products(name)) if alike else None
        cells = [
            name, f"{row['milliseconds']:.2f}", f"{row['imagesPerSecond']:,.0f}",
            megabytes(row, "allocatedBytes"), megabytes(row, "deviceBytes"),
            ratio(row["milliseconds"], own if "QAT" in name else None),
            ratio(peer["milliseconds"] if peer else None, row["milliseconds"]),
            ratio(best_peer if ours else None, row["milliseconds"]),
            ratio(row.get("allocatedBytes") if peer else None,
                  peer.get("allocatedBytes") if peer else None),
            f"{row['loss']:.3f}" if row["loss"] is not None else "not finite"]
        print("| " + " | ".join(cells) + " |")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        rows = [json.loads(line) for line in file if line.strip()]
    for device in sorted({row["device"] for row in rows if "device" in row}):
        print(f"- {device}")
    groups = collections.defaultdict(list)
    for row in rows:
        groups[row["model"], row["size"], row["batch"]].append(row)
    for (model, size, batch), group in groups.items():
        print(f"\n{model}, {size}x{size}, batch {batch}:\n")
        table(group)


if __name__ == "__main__":
    main()
