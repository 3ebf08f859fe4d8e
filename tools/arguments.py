"""The argument IMAGE and the option --cpu: defaults, and what the shell completes them to."""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem

DEFAULT_IMAGE = "preempt"       # what is booted if nobody says


def complete_image(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The images that come with Trapline, and files."""
    from loader import manifest
    from loader.image import ImageError

    try:
        known = manifest.images()
    except ImageError:
        known = []
    return _matching(((name, text) for name, text in known), incomplete)


def complete_cpu(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The profiles that come with Trapline, and files."""
    from emu.timing.profile import profiles

    return _matching(((name, "") for name in profiles()), incomplete)


def _matching(names: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    items = [CompletionItem(name, help=text or None) for name, text in names if name.startswith(incomplete)]
    return items or [CompletionItem(incomplete, type="file")]
