"""`trapline images`: the images that come with Trapline."""

from __future__ import annotations

import json

import click

from tools.arguments import DEFAULT_IMAGE

EXAMPLES = """\b
Examples:
  trapline images
  trapline images --json"""


@click.command(short_help="List the images that have a name.", epilog=EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def images(as_json: bool) -> None:
    """List the images that `trapline boot` and `trapline build` know by name."""
    from loader import manifest
    from loader.image import ImageError

    try:
        known = manifest.images()
    except ImageError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        listed = [{"name": name, "description": description} for name, description in known]
        click.echo(json.dumps({"images": listed, "default": DEFAULT_IMAGE}, indent=2))
        return
    width = max((len(name) for name, _ in known), default=0)
    for name, description in known:
        default = " (the default)" if name == DEFAULT_IMAGE else ""
        click.echo(f"{name:{width}}  {description}{default}")
