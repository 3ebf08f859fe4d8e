"""`trapline images`: the images that come with Trapline."""

from __future__ import annotations

import click

from tools.arguments import DEFAULT_IMAGE

EXAMPLES = """\b
Examples:
  trapline images"""


@click.command(short_help="List the images that have a name.", epilog=EXAMPLES)
def images() -> None:
    """List the images that `trapline boot` and `trapline build` know by name."""
    from loader import manifest
    from loader.image import ImageError

    try:
        known = manifest.images()
    except ImageError as error:
        raise click.ClickException(str(error)) from None
    width = max((len(name) for name, _ in known), default=0)
    for name, description in known:
        default = " (the default)" if name == DEFAULT_IMAGE else ""
        click.echo(f"{name:{width}}  {description}{default}")
