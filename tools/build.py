"""`trapline build`: images as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tools.arguments import complete_image

if TYPE_CHECKING:
    from loader.image import Image

EXAMPLES = """\b
Examples:
  trapline build
  trapline build hello -o out
  trapline build my/image.toml"""


@click.command(short_help="Write an image as ELF files with maps.", epilog=EXAMPLES)
@click.argument("image", required=False, shell_complete=complete_image)
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), default=Path("build"),
              show_default=True, metavar="DIR", help="Where the files go; made if it is not there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the files and their sizes.")
def build(image: str | None, output: Path, as_json: bool) -> None:
    """Assemble, link and check an image, and write its files: ELF with symbols and line table, and a map as text.

    IMAGE is a name that `trapline images` lists, or a manifest (a .toml file). Without one, all images that come with
    Trapline are built.
    """
    from loader import build as builder
    from loader.image import ImageError

    written: dict[str, list[dict[str, object]]] = {}
    try:
        for name in [image] if image else [name for name, _ in builder.images()]:
            written[name] = []
            built = builder.build(name)
            _check_network(built)
            for file in builder.write(built, output):
                written[name].append({"file": str(file), "bytes": file.stat().st_size})
                if not as_json:
                    click.echo(f"{file}  {file.stat().st_size:,} bytes")
    except (ImageError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps({"images": written}, indent=2))


def _check_network(image: Image) -> None:
    """Raise ValueError if the manifest asks for a network that makes no sense."""
    if image.wiring:
        from emu.net.plug import chosen

        chosen(None, None, image.wiring)
