"""Kubernetes quantities; the core tests the parser, this the way to it."""

from collections.abc import Callable

import pytest

import cloudoptim as co


def test_cpu_is_in_thousandths_and_memory_in_bytes_both_rounded_up() -> None:
    assert co.parse_milli_cpu("2") == 2000
    assert co.parse_milli_cpu("1u") == 1
    assert co.parse_bytes("128Mi") == 128 * 2**20
    assert co.parse_bytes("100m") == 1


@pytest.mark.parametrize("parse", [co.parse_milli_cpu, co.parse_bytes])
@pytest.mark.parametrize("text", ["", "1gi", "-1", "1e", "one"])
def test_what_kubernetes_refuses_is_quoted_in_the_message(
    parse: Callable[[str], int], text: str
) -> None:
    with pytest.raises(co.ConfigError) as caught:
        parse(text)
    assert text in str(caught.value)


def test_a_number_is_not_a_quantity() -> None:
    with pytest.raises(TypeError):
        co.parse_bytes(1)  # type: ignore[arg-type]
