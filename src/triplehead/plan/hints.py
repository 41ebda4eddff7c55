"""Commands that messages name, with what they need to be told to be about the same study."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from triplehead.plan.schema import Config

# What decides which runs there are. Not where they compute, nor an address, which may hold a password.
CARRIED = ("scale", "extra", "seeds", "engine", "weights", "iterations", "batch_size", "precision", "short_side")


def departures(config: Config, standing: Mapping[str, Any]) -> tuple[str, ...]:
    """KEY=VALUE of what is in force and not as `standing`, the content of experiments/config.yaml, has it."""
    usual = {key: standing.get(key, Config.model_fields[key].default) for key in CARRIED}
    return tuple(f"{key}={value}" for key in CARRIED if (value := getattr(config, key)) != usual[key])


def command(words: str, asked: Iterable[str] = ()) -> str:
    """("triplehead plan", ["scale=smoke"]) -> "`triplehead plan -c scale=smoke`"; as Snakemake wants it for its own."""
    settings = [shlex.quote(setting) for setting in asked]
    if settings and words.startswith("snakemake"):
        settings = ["--config", *settings]
    else:
        settings = [word for setting in settings for word in ("-c", setting)]
    return f"`{' '.join([words, *settings])}`"
