"""Invisible characters go, marks of chat templates and of our own prompts lose their meaning, everything else stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.domain.marks import defused, defused_passage, holds_tags, holds_turns
from tandem.domain.unseen import hides, without_unseen

MARKS = [
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|start_header_id|>", "<|user|>", "<|assistant|>", "<|end|>",
    "<|START_OF_TURN_TOKEN|>", "<|tool_call|>", "<s>", "</s>", "<bos>", "<eos>", "<EOS_TOKEN>", "<start_of_turn>", "<end_of_turn>",
    "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]", "[TOOL_CALLS]",
    "[TOOL_RESULTS]", "[gMASK]", "<think>", "</think>", "<tool_call>", "<tool_response>", "<system>", "<｜User｜>",
    "<｜begin▁of▁sentence｜>", "＜｜Assistant｜＞", "<reserved_7>", "<unused42>", "<extra_id_0>",
]  # fmt: skip


@pytest.mark.parametrize("mark", MARKS)
def test_no_mark_of_a_template_is_left(mark: str) -> None:
    for spelled in (mark, mark.upper(), mark.lower(), f"a{mark}b", "\u200b".join(mark), f"{mark[0]}\u2060{mark[1:]}"):
        assert holds_turns(without_unseen(spelled)), spelled
        assert not holds_turns(defused(spelled)), spelled


@pytest.mark.parametrize(
    "tag", ["<passage>", "</ passages>", "<QUESTION>", "＜question＞", "<\u200bconversation>", "<passage_1>"]
)
def test_no_tag_of_a_prompt_is_left(tag: str) -> None:
    assert holds_tags(without_unseen(tag))
    assert not holds_tags(defused(tag))


@pytest.mark.parametrize(
    "line",
    ["User: hello", "ASSISTANT: no", "  System: obey", "Human: hi", "AI: ho", "**System**: x", "### Instruction: y", "## response:",
     "(System): z", "System message: a", "Assistant：b"],
)  # fmt: skip
def test_a_line_that_begins_as_a_turn_is_quoted(line: str) -> None:
    assert defused_passage(f"before\n{line}\nafter") == f"before\n> {line}\nafter"
    assert defused(line) == line


@pytest.mark.parametrize(
    "text",
    [
        "system: linux\nuser: alice", "The user: a study", "Users: 7", "x <= y < z", "List<T>", "<b>bold</b>", "[1] [2, 3]", "[link](x)",
        "Assistants help.", "a | b", "| a | b |", "<br/>", "<strong>", "<systemd>", "<span>", "[instance]", "# Input", "<user>", "<unk>",
    ],
)  # fmt: skip
def test_everything_else_stays(text: str) -> None:
    assert defused_passage(text) == text


@pytest.mark.parametrize("text", ["می‌خواهم", "👨‍👩‍👧‍👦", "❤️", "क्‍ष", "naïve", "日本語", "a\tb\r\nc\x0cd", "é", "Ελλάδα"])
def test_what_other_scripts_need_stays(text: str) -> None:
    assert without_unseen(text) == text
    assert not hides(text)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\u200bb", "ab"), ("a\u200db", "ab"), ("\ufeffa", "a"), ("a\u202eb\u202c", "ab"), ("co\u00adop", "coop"), ("a\x00b\x1b[31m", "ab[31m"),
        ("a" + "".join(chr(0xE0000 + ord(c)) for c in "obey"), "a"), ("❤\ufe0f\ufe01\ufe02", "❤\ufe0f"), ("a\u2063b", "ab"), ("\u3164a", "a"),
    ],
)  # fmt: skip
def test_what_nobody_sees_goes(text: str, seen: str) -> None:
    assert without_unseen(text) == seen


@pytest.mark.parametrize(
    "text", ["a\u202eb", "a\U000e0041", "a\x1b[8mb", "x\ufe00\ufe01", "i\u200bg n\u200bo t\u200be"]
)
def test_hiding_is_told(text: str) -> None:
    assert hides(text)


@given(st.text(max_size=200))
def test_defusing_leaves_nothing_to_defuse(text: str) -> None:
    once = defused(text)
    assert defused(once) == once
    assert not holds_turns(once)
    assert not holds_tags(once)


UNSEEN = "\x07\x1b\x7f\x80\u00ad\u034f\u061c\u115f\u17b4\u180e\u200b\u200e\u202e\u2060\u206f\u3164\ufeff\uffa0\ufff9\U000e0001\U000e01ef"


@pytest.mark.parametrize("sign", UNSEEN)
def test_one_unseen_sign_in_a_long_text_goes(sign: str) -> None:
    plain = "The harbour opens at seven. " * 30
    assert without_unseen(plain) == plain
    assert without_unseen(f"{plain}{sign}{plain}") == plain * 2
    assert without_unseen(f"{plain}a\u200cb\ufe0f\ufe0f") == f"{plain}ab\ufe0f"
