"""Many activations at once: there is no limit but memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from loader.image import Image

ImageMaker = Callable[..., Image]      # the fixture `act_image`
Boot = Callable[..., Any]              # the fixture `act`


def test_activations_wait_by_the_thousand(act_image: ImageMaker, act: Boot) -> None:
    done = act(act_image(["multitude"], parameters={"COUNT": 2000}))
    assert done.result.exit_code == 0


@pytest.mark.long
def test_a_hundred_thousand_activations_wait_within_512_mib(act_image: ImageMaker, act: Boot) -> None:
    done = act(act_image(["multitude"], parameters={"COUNT": 100_000}), memory=512 << 20)
    assert done.result.exit_code == 0


def test_with_more_than_memory_has_room_for_the_call_fails(act_image: ImageMaker, act: Boot) -> None:
    done = act(act_image(["multitude"], parameters={"COUNT": 2000}), memory=8 << 20)
    assert done.result.exit_code == 1                  # what `goes_on` finds is ERR_MEMORY
