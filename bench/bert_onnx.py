"""BERT as an ONNX graph that is fused the way onnxruntime's own transformer optimizer fuses it: one
Attention and one BiasGelu node a layer.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from random_bert import Weights

# The operators of com.microsoft that a fused layer is made of, and how many of each it has.
PER_LAYER = {"Attention": 1, "BiasGelu": 1, "SkipLayerNormalization": 2, "MatMul": 3}


class Graph:
    """Collects nodes and initializers of an ONNX graph, whose numbers are all of one type."""

    def __init__(self, dtype: type) -> None:
        self.dtype = dtype
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        tensor = np.ascontiguousarray(value, dtype=self.dtype)
        self.initializers.append(numpy_helper.from_array(tensor, name))
        return name

    def add(
        self, kind: str, inputs: list[str], output: str, domain: str = "com.microsoft", **attrs
    ) -> str:
        # The name is the output's: unique, and readable in a profile.
        node = helper.make_node(kind, inputs, [output], name=output, domain=domain, **attrs)
        self.nodes.append(node)
        return output


def add_layer(
    graph: Graph, config: dict, weights: Weights, i: int, hidden: str, mask: str
) -> str:
    prefix = f"encoder.layer.{i}"

    def bias(name: str) -> str:
        return graph.constant(f"{prefix}.{name}.bias", weights[f"{prefix}.{name}.bias"])

    def matmul(name: str, source: str) -> str:
        weight = weights[f"{prefix}.{name}.weight"].T
        matrix = graph.constant(f"{prefix}.{name}.weight", weight)
        return graph.add("MatMul", [source, matrix], f"{prefix}.{name}", domain="")

    def add_and_norm(name: str, source: str, residual: str) -> str:
        norm = f"{prefix}.{name}.LayerNorm"
        gamma = graph.constant(f"{norm}.weight", weights[f"{norm}.weight"])
        beta = graph.constant(f"{norm}.bias", weights[f"{norm}.bias"])
        inputs = [source, residual, gamma, beta, bias(f"{name}.dense")]
        epsilon = config["layer_norm_eps"]
        return graph.add("SkipLayerNormalization", inputs, norm, epsilon=epsilon)

    parts = [f"{prefix}.attention.self.{part}" for part in ("query", "key", "value")]
    qkv = np.concatenate([weights[f"{part}.weight"].T for part in parts], axis=1)
    qkv_bias = np.concatenate([weights[f"{part}.bias"] for part in parts])
    inputs = [
        hidden,
        graph.constant(f"{prefix}.attention.qkv.weight", qkv),
        graph.constant(f"{prefix}.attention.qkv.bias", qkv_bias),
        mask,
    ]
    heads = config["num_attention_heads"]
    context = graph.add("Attention", inputs, f"{prefix}.attention.self", num_heads=heads)
    projected = matmul("attention.output.dense", context)
    attended = add_and_norm("attention.output", projected, hidden)
    inner = matmul("intermediate.dense", attended)
    inner = graph.add("BiasGelu", [inner, bias("intermediate.dense")], f"{prefix}.gelu")
    return add_and_norm("output", matmul("output.dense", inner), attended)


def add_pooling(graph: Graph, config: dict) -> onnx.ValueInfoProto:
    """Sums in float32; the L2 norm of a sum over tokens is that of their mean."""
    graph.initializers.append(numpy_helper.from_array(np.array([2], np.int64), "last_axis"))
    graph.initializers.append(numpy_helper.from_array(np.array([1], np.int64), "token_axis"))
    numbers = {"domain": "", "to": TensorProto.FLOAT}
    states = graph.add("Cast", ["last_hidden_state"], "states", **numbers)
    mask = graph.add("Cast", ["attention_mask"], "kept", **numbers)
    mask = graph.add("Unsqueeze", [mask, "last_axis"], "kept_rows", domain="")
    states = graph.add("Mul", [states, mask], "kept_states", domain="")
    sums = graph.add("ReduceSum", [states, "token_axis"], "sums", domain="", keepdims=0)
    graph.add("LpNormalization", [sums], "pooled", domain="", axis=-1, p=2)
    dims = ["batch", config["hidden_size"]]
    return helper.make_tensor_value_info("pooled", TensorProto.FLOAT, dims)


def build_onnx(
    config: dict, weights: Weights, dtype: type = np.float32, pooled: bool = False
) -> onnx.ModelProto:
    """input_ids, attention_mask and token_type_ids [batch, sequence] → last_hidden_state [batch,
    sequence, hidden_size], or, if `pooled`, its mean over tokens by its L2 norm, in float32. The
    mask then becomes lengths, which more kernels for GPUs take: padding must come last."""
    graph = Graph(dtype)
    embeddings = ("word_embeddings", "position_embeddings", "token_type_embeddings", "LayerNorm")
    tables = [
        graph.constant(f"embeddings.{name}.weight", weights[f"embeddings.{name}.weight"])
        for name in embeddings
    ]
    beta = graph.constant("embeddings.LayerNorm.bias", weights["embeddings.LayerNorm.bias"])
    node = helper.make_node(
        "EmbedLayerNormalization",
        ["input_ids", "token_type_ids", *tables, beta, *(["attention_mask"] if pooled else [])],
        ["embeddings", "lengths" if pooled else ""],
        name="embeddings",
        domain="com.microsoft",
        epsilon=config["layer_norm_eps"],
    )
    graph.nodes.append(node)
    hidden = "embeddings"
    for i in range(config["num_hidden_layers"]):
        mask = "lengths" if pooled else "attention_mask"
        hidden = add_layer(graph, config, weights, i, hidden, mask)
    graph.nodes[-1].output[0] = "last_hidden_state"

    axes = ["batch", "sequence"]
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT32, axes) for name in names]
    dims = [*axes, config["hidden_size"]]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    output = helper.make_tensor_value_info("last_hidden_state", kind, dims)
    if pooled:
        output = add_pooling(graph, config)
    proto = helper.make_graph(graph.nodes, "bert", inputs, [output], graph.initializers)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(proto, opset_imports=opsets, ir_version=8)
