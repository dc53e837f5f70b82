"""`stowgate profile`: which profiles and options there are, what they do, and whether a configuration is sound."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from stowgate.deident.profile import PROFILES, describe
from stowgate.faces.cli.asked import policy_and_settings
from stowgate.faces.cli.show import say
from stowgate.policy import AVAILABLE, CLEAN, RETAIN

app = typer.Typer(help="Profiles and options: list, show, validate.", no_args_is_help=True)

Profile = Annotated[str | None, typer.Option(help="Confidentiality profile.", show_default="basic")]
Retain = Annotated[list[str] | None, typer.Option(help="Option that keeps something; repeatable.")]
Clean = Annotated[list[str] | None, typer.Option(help="Option that cleans something; repeatable.")]
Config = Annotated[Path | None, typer.Option("-c", "--config", help="stowgate.toml to use.")]


Named = Annotated[str, typer.Option("--named", metavar="NAME", help="The [[profile]] of this name, not [deid].")]


@app.command("list")
def list_all(config: Config = None) -> None:
    """List the profiles and the options by their standard names; with -c the [[profile]] tables of a configuration."""
    for name, meaning in PROFILES.items():
        typer.echo(f"{'profile':<9} {name:<30} {meaning}")
    for setting, options in (("--retain", RETAIN), ("--clean", CLEAN)):
        for option in options:
            note = "" if option in AVAILABLE else "not available yet"
            typer.echo(f"{setting:<9} {option:<30} {note}".rstrip())
    if config:
        from stowgate.faces.policies import recipients
        from stowgate.settings import load

        for one, policy in recipients(load(config)):
            chosen = ", ".join(sorted(policy.options)) or "no options"
            name = f"{'named':<9} {one.name:<30}"
            typer.echo(f"{name} {policy.profile}, {chosen}, digest {policy.digest[:12]}")


@app.command("show")
def show(
    profile: Profile = None,
    retain: Retain = None,
    clean: Clean = None,
    config: Config = None,
    named: Named = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show what a profile with options does, its digest, table edition and rule revision."""
    policy, _ = policy_and_settings(config, profile, retain, clean, named)
    described = asdict(describe(policy))
    described["overrides"] = [f"{rule.target} {rule.action}" for rule in policy.overrides]
    described["claims"] = [f"{code.value} {code.meaning}" for code in describe(policy).claims]
    if as_json:
        typer.echo(json.dumps(described, default=sorted))
        return
    for name, value in described.items():
        if isinstance(value, dict):
            typer.echo(f"{name.replace('_', ' ')}:")
            for key, count in value.items():
                typer.echo(f"  {key:<28} {count}")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else value
            typer.echo(f"{name.replace('_', ' '):<20} {shown or '-'}")


@app.command("validate")
def validate(profile: Profile = None, retain: Retain = None, clean: Clean = None, config: Config = None) -> None:
    """Check options, overrides and the whole configuration; all problems in one go."""
    policy, _ = policy_and_settings(config, profile, retain, clean)
    if config:
        from stowgate.faces.policies import recipients
        from stowgate.settings import load

        list(recipients(load(config)))
    policy_is = f"Policy {policy.digest[:16]}, edition {policy.edition}, revision {policy.revision}"
    say(f"The configuration is sound. {policy_is}.")
