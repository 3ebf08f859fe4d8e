"""`trapline profiles`: the processors, and the figures of one."""

from __future__ import annotations

import json

import click

from tools.arguments import complete_cpu

EXAMPLES = """\b
Examples:
  trapline profiles
  trapline profiles p3-500
  trapline profiles my/cpu.toml --json"""


@click.command(short_help="List processors, or show one.", epilog=EXAMPLES)
@click.argument("name", required=False, shell_complete=complete_cpu)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def profiles(name: str | None, as_json: bool) -> None:
    """List the processors that --cpu knows, or show every figure of one with its source.

    NAME is one of them, or a profile of your own (a .toml file).
    """
    from emu.timing import profile, rendering

    try:
        if name:
            loaded = profile.load_profile(name)
            click.echo(json.dumps(rendering.as_dict(loaded), indent=2) if as_json else rendering.describe(loaded))
            return
        every = {each: profile.load_profile(each).description for each in profile.profiles()}
    except profile.ProfileError as error:
        raise click.ClickException(str(error)) from None
    width = max(map(len, every))
    click.echo(json.dumps(every, indent=2) if as_json else
               "\n".join(f"{each:{width}}  {text}" for each, text in every.items()))
