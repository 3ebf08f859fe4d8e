"""The images of ours."""

import pytest

from loader.boot import boot, load
from loader.build import images


@pytest.mark.parametrize("name", [name for name, _ in images()])
def test_each_image_of_ours_builds_and_fits_into_the_default_memory(name):
    image = load(name)
    assert boot(image, 16 << 20).registers["eax"] == 0x2BADB002
    assert [module.name for module in image.modules] == list(image.programs)
