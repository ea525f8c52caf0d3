"""A task for agents that takes five turns, the scripted model that leads through it, and the tools it needs."""

from __future__ import annotations

from tests.support.vendors import Asked, Call, Says

TASK = "Multiply the sum of 2 and 3 by the sum of 10 and 20, write the product down, and tell me where."
ANSWER = "150 stands on page 7."


def model(asked: Asked) -> Says:
    """Thinks with the results it is given, and with nothing else: a lost or mangled result changes the answer."""
    results = asked.results()
    if "add(2,3)" not in results:
        return Says("First the sums.", [Call("add", {"a": 2, "b": 3}), Call("add", {"a": 10, "b": 20})], "tools")
    first, second = int(results["add(2,3)"]), int(results["add(10,20)"])
    product = results.get(f"multiply({first},{second})")
    if product is None:
        return Says("", [Call("multiply", {"a": first, "b": second})], "tools")
    page = results.get(f"write_down({product})")
    if page is None:
        return Says("Now I write it down.", [Call("write_down", {"text": product})], "tools")
    shelf = results.get(f"look_up({page})")
    if shelf is None:
        return Says("", [Call("look_up", {"page": page})], "tools")
    return Says(f"{shelf} stands on {page}.")


class Desk:
    """The tools, and what they remember."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}

    def add(self, a: int, b: int) -> str:
        return str(a + b)

    def multiply(self, a: int, b: int) -> str:
        return str(a * b)

    def write_down(self, text: str) -> str:
        self.pages["page 7"] = text
        return "page 7"

    def look_up(self, page: str) -> str:
        return self.pages[page]
