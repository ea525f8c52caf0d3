"""Curves as SVG."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from octoroute.routing.training.metrics import Point
from octoroute.routing.training.plot import svg

SVG = "{http://www.w3.org/2000/svg}"
LINE = [Point(share=0.0, quality=0.4), Point(share=0.5, quality=0.7), Point(share=1.0, quality=0.9)]


def drawn(curves, title="t"):
    return ET.fromstring(svg(curves, title))


def polyline(root, at=0):
    found = root.findall(f"{SVG}polyline")[at]
    return [tuple(map(float, pair.split(","))) for pair in found.get("points").split()]


def test_share_goes_right_and_quality_up():
    points = polyline(drawn({"a": LINE}))
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)


def test_one_line_and_one_label_a_router_and_references_are_dashed():
    root = drawn({"learned": LINE, "random": LINE})
    dashes = [line.get("stroke-dasharray") for line in root.findall(f"{SVG}polyline")]
    assert dashes == [None, "5 4"]
    assert {"learned", "random"} <= {text.text for text in root.findall(f"{SVG}text")}


def test_names_and_titles_are_escaped():
    root = drawn({"<b>&": LINE}, title="a < b")
    texts = [text.text for text in root.findall(f"{SVG}text")]
    assert "<b>&" in texts and "a < b" in texts


def test_many_points_are_thinned_and_both_ends_stay():
    many = [Point(share=k / 9999, quality=k / 9999) for k in range(10_000)]
    points, ends = polyline(drawn({"a": many})), polyline(drawn({"a": [many[0], many[-1]]}))
    assert len(points) < 300
    assert (points[0], points[-1]) == (ends[0], ends[-1])


def test_a_flat_line_can_be_drawn():
    assert len(polyline(drawn({"a": [Point(share=0.0, quality=0.5), Point(share=1.0, quality=0.5)]}))) == 2
