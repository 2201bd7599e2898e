"""A cross-encoder of no weights: the score of a pair is how many tokens of the passage are tokens of the question."""

from pathlib import Path

from onnx import TensorProto, checker, helper, save
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

WORDS = ("green", "tea", "black", "coffee", "apples", "from", "japan")
_SPECIAL = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def write_tokenizer(folder: Path) -> None:
    """One token per known word; pairs as BERT has them."""
    tokenizer = Tokenizer(
        WordLevel(_SPECIAL | {word: number for number, word in enumerate(WORDS, len(_SPECIAL))}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, _SPECIAL[name]) for name in ("[CLS]", "[SEP]")],
    )
    # As exporters leave it: both are to be switched off.
    tokenizer.enable_padding(length=64)
    tokenizer.enable_truncation(8)
    tokenizer.save(str(folder / "tokenizer.json"))


def write_model(path: Path, *, outputs: int = 1, inputs: tuple[str, ...] = _INPUTS) -> None:
    """An ONNX graph; with two outputs the first is all zeros, as of a classifier's other label."""
    make = helper.make_node
    nodes = [
        make("Unsqueeze", ["input_ids", "two"], ["rows"]),
        make("Unsqueeze", ["input_ids", "one"], ["columns"]),
        make("Equal", ["rows", "columns"], ["same"]),
        make("Cast", ["same"], ["equal"], to=TensorProto.INT64),
        # Known words only: special tokens are in every pair.
        make("Greater", ["input_ids", "last_special"], ["word"]),
        make("Cast", ["word"], ["known"], to=TensorProto.INT64),
        make("Mul", ["known", "attention_mask"], ["there"]),
        make("Mul", ["token_type_ids", "there"], ["passage"]),
        make("Sub", ["there", "passage"], ["question"]),
        make("Unsqueeze", ["question", "two"], ["asked"]),
        make("Unsqueeze", ["passage", "one"], ["told"]),
        make("Mul", ["equal", "asked"], ["half"]),
        make("Mul", ["half", "told"], ["hits"]),
        make("ReduceSum", ["hits", "two"], ["per_word"], keepdims=0),
        make("ReduceSum", ["per_word", "one"], ["sum"], keepdims=1),
        make("Cast", ["sum"], ["score"], to=TensorProto.FLOAT),
    ]
    if outputs == 2:
        nodes += [make("Sub", ["score", "score"], ["other"]), make("Concat", ["other", "score"], ["logits"], axis=1)]
    elif outputs == 1:
        nodes.append(make("Identity", ["score"], ["logits"]))
    else:
        nodes.append(make("Concat", ["score"] * outputs, ["logits"], axis=1))
    constants = [
        helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        helper.make_tensor("two", TensorProto.INT64, [1], [2]),
        helper.make_tensor("last_special", TensorProto.INT64, [1], [max(_SPECIAL.values())]),
    ]
    made = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in inputs]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", outputs])
    graph = helper.make_graph(nodes, "overlap", made, [logits], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(model, str(path))
