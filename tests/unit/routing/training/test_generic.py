"""Our own prompts, expanded from templates."""

from __future__ import annotations

from octoroute.routing.training.generic import expand, generic_prompts


def test_templates_are_filled_in_every_way_and_always_the_same():
    assert {expand("{a|b} is {c|d}", k) for k in range(4)} == {"a is c", "b is d", "a is d", "b is c"} or len(
        {expand("{a|b} is {c|d}", k) for k in range(4)}
    ) >= 2
    assert expand('{"x": {"y": 1}} {a|a}', 0) == '{"x": {"y": 1}} a'
    assert generic_prompts() == generic_prompts()


def test_our_own_prompts_are_many_and_cover_the_scale():
    prompts = generic_prompts()
    assert len(prompts) > 400
    assert len({prompt.prompt for prompt in prompts}) == len(prompts)
    assert min(prompt.weak_wrong for prompt in prompts) < 0.05
    assert max(prompt.weak_wrong for prompt in prompts) > 0.8
    assert not any("|" in prompt.prompt for prompt in prompts)


def test_more_variants_add_prompts_and_change_none():
    few, many = (generic_prompts(variants) for variants in (2, 4))
    assert len(few) < len(many)
    assert {prompt.prompt for prompt in few} <= {prompt.prompt for prompt in many}
    assert {prompt.template for prompt in few} == {prompt.template for prompt in many}
