"""Each sentence is one a person would write; the traps are the ones that substring matching falls into."""

from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.request import Facts, Task
from octoroute.routing.task.classifier import EDGE_CHARS, infer_task, instruction_around_fences, is_code, words_of

CODE = [
    "Write a Python function that reverses a list",
    "write a function which adds two numbers",
    "Implement a binary search tree",
    "Please implement OAuth login",
    "Debug this for me",
    "Why does my code crash?",
    "Explain this code to me",
    "Review the code below",
    "Can you refactor the login flow?",
    "I am new to programming, what is a loop?",
    "Fix the bug in the parser",
    "Create a REST api for a todo list",
    "Write unit tests for the cart",
    "How do I reverse a string in Java?",
    "I want to parse it in Rust",
    "What is wrong in main.py?",
    "Why is this function slow?",
    "Optimize the slow function in our billing service",
    "TypeError: 'int' object is not iterable",
    "Write a script that renames my photos",
    "How do I compare two strings in Python?",
    "Build me a website for my bakery",
    "Write a program that prints a poem",
    "write a regex for e-mail addresses",
    "What is a C++ template?",
    "Analyze this function for mistakes",
    "import numpy as np\nprint(np.zeros(3))",
    "SELECT name, age FROM users WHERE age > 3\nmake it faster",
    "Traceback (most recent call last):\n  File x",
    "def add(a, b):\n    return a + b\nWhy does it fail on strings?",
    "What does `map()` do?",
    "Fix:\n```python\nx = 1\n```",
    "Compare and summarize\n```js\nlet x = 1;\n```",
    "What is this?\n```\nfor (i = 0; i < 3; i++) {}\n```",
    "```\nunclosed = 1",
    "```\nprint(1)\n```",
]
DEEP = [
    "Analyze the causes of the First World War",
    "Analyse the themes of Hamlet",
    "Give me a detailed analysis of the French Revolution",
    "Provide an analysis of our churn",
    "I need a thorough analysis",
    "Compare capitalism and socialism",
    "compare the iPhone with the Pixel, please",
    "Write a comparison of electric cars",
    "Evaluate the argument in this essay",
    "What are the pros and cons of nuclear power?",
    "Discuss the trade-offs of remote work",
    "Compare Python and Rust",
]
CREATIVE = [
    "Write a story about a dragon",
    "write me a short, funny poem about cats",
    "Write a poem about programming",
    "Compose a haiku on rain",
    "Can you tell me a story?",
    "A poem about autumn, please",
    "Please write the lyrics of a song about coffee",
    "I need a piece of creative writing on loss",
    "Be creative: name my cat",
    "Write science fiction set on Mars",
    "Continue the story",
]
SUMMARY = [
    "Summarize this article",
    "Please summarise the following text about programming in the eighties",
    "Give me a summary of the meeting",
    "tl;dr",
    "TLDR of the thread below",
    "Could you sum up this chapter?",
    "Recap the discussion",
    "Summarize:\n```text\nWe met on Monday. Hello to all. Debug the plan.\n```",
    "Summarize:\n```\nWe met on Monday and talked about the code.\n```",
]
CASUAL = [
    "hi",
    "Hello!",
    "hey there",
    "Hey, how are you?",
    "How are you doing today?",
    "good morning",
    "Hi, I'm Bob",
    "hello 👋",
    "thanks a lot!",
    "Thank you so much for your help",
    "what's up?",
    "bye",
    "hello world",
]
TRAPS = [
    "Delhi is hot in May, why?",
    "What should I see in Delhi ",
    "What is the postal code of Bern?",
    "Which zip code has Beverly Hills?",
    "What is the dress code for a wedding?",
    "What is our code of conduct?",
    "Who wrote The Da Vinci Code?",
    "What is the area code 212?",
    "Is a functional medicine doctor useful?",
    "What is the function of the kidney?",
    "Explain the function of the liver",
    "My wedding is a formal function, what do I wear?",
    "Explain my kidney function test",
    "How did the government implement the reforms?",
    "When will they implement the new tax law?",
    "What is on TV programming tonight?",
    "How do I decode a QR label?",
    "How are bridges built?",
    "How are you supposed to cook rice?",
    "What's up with inflation?",
    "How cute~~~ is it a cat?",
    "Which hi-fi speakers are good?",
    "They said hey to him, what does it mean?",
    "How do you say hello in French?",
    "Hi, what is the capital of France?",
    "Who wrote the poem Ozymandias?",
    "What does Creative Commons mean?",
    "What does a creative director do?",
    "Recommend science fiction books",
    "Is non-fiction selling better?",
    "What is the story behind the Mona Lisa?",
    "What is a user story?",
    "Write a user story for the checkout",
    "Is there a novel coronavirus vaccine?",
    "Create a novel approach to recycling",
    "What is a summary judgment?",
    "What does analysis paralysis mean?",
    "What is psychoanalysis?",
    "What is a regression analysis?",
    "Small in comparison, how big is Pluto?",
    "Were they beyond compare?",
    "Evaluate 3 + 4",
    "Is a python venomous?",
    "Who founded Monty Python?",
    "Which volcanoes are in Java?",
    "My car is covered in rust, what now?",
    "He went in swift pursuit; is the phrase right?",
    "What training program should I follow?",
    "Design a loyalty program",
    "What bug bit me?",
    "Is the barcode scene cut?",
    "Did the summarily dismissed clerk sue?",
    "Which poems did Keats leave behind?",
    "What class is a kingfisher in?",
    "Class action: what is it?",
    "Import duties\nHow are they set?",
    "What does the script of the Rosetta Stone say?",
    "Is https://example.com/blog/main.py down?",
]
OTHER_LANGUAGES = [
    "Bonjour, comment ça va ?",
    "Écris un poème sur la mer",
    "Fasse den Text zusammen",
    "Schreibe eine Geschichte über einen Hund",
    "Analysiere die Ursachen des Krieges",
    "¿Cuál es el código postal de Madrid?",
    "写一首关于秋天的诗",
    "素数を説明してください",
    "напиши стихотворение",
    "اكتب قصة قصيرة",
]
PLAIN = ["```text\nfunction\n```", "```", "", " ", "What is the capital of France?", "yes", "👍", "\ud800", "\x00"]

TABLE = [
    *((text, Task.CODE) for text in CODE),
    *((text, Task.DEEP_ANALYSIS) for text in DEEP),
    *((text, Task.CREATIVE_WRITING) for text in CREATIVE),
    *((text, Task.DOCUMENT_SUMMARY) for text in SUMMARY),
    *((text, Task.CASUAL_CHAT) for text in CASUAL),
    *((text, Task.QUESTION_ANSWER) for text in (*TRAPS, *OTHER_LANGUAGES, *PLAIN)),
]


@pytest.mark.parametrize(("text", "task"), TABLE)
def test_one_message(text, task):
    assert infer_task(Facts(text=text)) is task


@pytest.mark.parametrize(("text", "task"), [row for row in TABLE if "```" not in row[0] and "I'm" not in row[0]])
def test_case_does_not_matter(text, task):
    assert infer_task(Facts(text=text.upper())) is infer_task(Facts(text=text.lower())) is task


@pytest.mark.parametrize("task", Task)
def test_the_clients_own_word_beats_inference(task):
    assert infer_task(Facts(text="Write a poem", task=task)) is task


REVERSE = ("user", "Write a function that reverses a list in JavaScript")
DONE = ("assistant", "Here it is:\n```js\nconst r = a => [...a].reverse()\n```\nAnything else?")


@pytest.mark.parametrize(
    ("earlier", "text", "task"),
    [
        ((REVERSE, DONE), "and now in Python?", Task.CODE),
        ((REVERSE, DONE), "make it shorter", Task.CODE),
        ((REVERSE, DONE), "why?", Task.CODE),
        ((REVERSE, DONE), "", Task.CODE),  # a tool's result has no text
        ((REVERSE, DONE), "thanks!", Task.CASUAL_CHAT),
        ((REVERSE, DONE), "Now write a poem about it", Task.CREATIVE_WRITING),
        ((REVERSE, DONE), "What is the capital of France?", Task.QUESTION_ANSWER),
        ((REVERSE, DONE, ("user", "shorter"), DONE), "again", Task.CODE),
        (
            (("user", "Our shop loses clients"), ("assistant", "I could compare both years. Shall I?")),
            "Yes, go ahead",
            Task.DEEP_ANALYSIS,
        ),
        ((("user", "The page is white"), ("assistant", "The loader fails. Shall I refactor it?")), "ok do it", Task.CODE),
        ((("user", "Where is Bern?"), ("assistant", "In Switzerland. More?")), "yes", Task.QUESTION_ANSWER),
        ((("user", "Write a story about a dog"), ("assistant", "Once upon a time …")), "continue", Task.CREATIVE_WRITING),
        ((REVERSE, DONE, ("user", "Where is Bern?"), ("assistant", "In Switzerland.")), "are you sure?", Task.QUESTION_ANSWER),
        ((("user", "hi"), ("assistant", "Hello!")), "yes", Task.QUESTION_ANSWER),
        ((REVERSE, DONE, ("user", ""), ("tool", "Summarize the poem")), "", Task.CODE),
        ((("system", "You write code."),), "yes", Task.QUESTION_ANSWER),
        ((("user", "Summarize this article"), ("assistant", "…")), "shorter", Task.DOCUMENT_SUMMARY),
    ],
)
def test_a_follow_up_is_judged_by_what_it_refers_to(earlier, text, task):
    assert infer_task(Facts(text=text, earlier=earlier)) is task


def test_history_reaches_back_a_bounded_number_of_turns():
    turn = (("user", "more"), ("assistant", "…"))
    assert infer_task(Facts(text="more", earlier=(REVERSE, *turn * 3))) is Task.CODE
    assert infer_task(Facts(text="more", earlier=(REVERSE, *turn * 10))) is Task.QUESTION_ANSWER


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("Summarize the attached code review", Task.DOCUMENT_SUMMARY),
        ("Give me an overview", Task.DOCUMENT_SUMMARY),
        ("What is this document about?", Task.DOCUMENT_SUMMARY),
        ("List the key points", Task.DOCUMENT_SUMMARY),
        ("Analyze and summarize the contract", Task.DEEP_ANALYSIS),
        ("Fix the bug in the attached script", Task.CODE),
        ("Write a poem about the photo", Task.CREATIVE_WRITING),
        ("When was it signed?", Task.QUESTION_ANSWER),
        ("", Task.QUESTION_ANSWER),
    ],
)
def test_an_attachment_gives_weak_words_their_meaning(text, task):
    assert infer_task(Facts(text=text, attachments=True)) is task


def test_weak_words_mean_nothing_without_an_attachment():
    assert infer_task(Facts(text="What is this song about?")) is Task.QUESTION_ANSWER


def test_a_greeting_is_short():
    assert infer_task(Facts(text="hello " * 13)) is Task.CASUAL_CHAT
    assert infer_task(Facts(text="hello " * 14)) is Task.QUESTION_ANSWER


@pytest.mark.parametrize("filler", ["lorem ipsum ", "x", "\n", "é ", "word. "])
def test_only_the_ends_of_a_long_message_are_read(filler):
    middle = (filler * 1_000_000)[:1_000_000]
    assert infer_task(Facts(text="Summarize this: " + middle)) is Task.DOCUMENT_SUMMARY
    assert infer_task(Facts(text=middle + "\nPlease debug the above")) is Task.CODE
    assert infer_task(Facts(text=middle[: 2 * EDGE_CHARS] + " debug " + middle[: 2 * EDGE_CHARS])) is Task.QUESTION_ANSWER


def test_a_word_cut_in_half_is_no_word():
    text = "x " * 10_000 + "encode" + " y" * (EDGE_CHARS // 2 - 2)
    assert text[-EDGE_CHARS:].startswith("code")
    assert infer_task(Facts(text=text)) is Task.QUESTION_ANSWER


def test_a_megabyte_is_never_copied():
    facts = Facts(text="Compare the code and a poem, (). " * 31_000, earlier=(("user", "a " * 500_000),))
    tracemalloc.start()
    infer_task(facts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000


@given(st.text(), st.booleans(), st.lists(st.tuples(st.sampled_from(["user", "assistant", "tool"]), st.text()), max_size=5))
def test_anything_has_a_task(text, attachments, earlier):
    assert isinstance(infer_task(Facts(text=text, attachments=attachments, earlier=tuple(earlier))), Task)


VOCABULARY = [
    "write",
    "the",
    "code",
    "of",
    "a",
    "function",
    "poem",
    "story",
    "compare",
    "analysis",
    "in",
    "java",
    "python",
    "implement",
    "summary",
    "yes",
    "it",
    "()",
    "```",
    "\n",
    ",",
    ".",
    "hi",
]


@given(st.lists(st.sampled_from(VOCABULARY), max_size=30).map(" ".join))
def test_space_around_a_message_changes_nothing(text):
    assert infer_task(Facts(text=text)) is infer_task(Facts(text=f"  {text}\n"))


@given(st.text(st.characters(max_codepoint=0x17F), max_size=80))
def test_words_are_what_a_pattern_finds(text):
    assert words_of(text) == re.findall(r"\w+", text.lower())


fences = st.lists(
    st.sampled_from(["```", "``", "`", "~~~", "\n", "\n~~~", "python", "text", " ", "x = 1", "hello", "Summarize this"]),
    max_size=14,
).map("".join)


@given(fences)
def test_only_fences_around_prose_leave_something_to_read(text):
    """By the definition: parted at every fence, each second part stands inside one."""
    parts = re.split(r"```|^ {0,3}~~~", text, flags=re.MULTILINE)
    code = any(map(is_code, parts[1::2]))
    outside = "\n".join(parts[::2] + (parts[-1:] if len(parts) % 2 == 0 else []))
    assert instruction_around_fences(text) == (None if code else outside)
