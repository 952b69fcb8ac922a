"""The one command. A table of sub-commands, each imported only when it is called, so that ``--help`` is instant."""

from __future__ import annotations

import sys
from importlib import import_module

# sub-command -> (module, one line). Each module has a typer application called ``app``.
COMMANDS: dict[str, tuple[str, str]] = {
    "index": (
        "mmbert_indexer.cli",
        "Build a library from folders of music; look at it, verify it, remove from it",
    ),
    "search": ("mmbert.commands.search", "Find pieces by words, by an example file, or by both"),
    "complete": ("mmbert.commands.complete", "Find what goes on from a melody, in its key and tempo"),
    "accompany": ("mmbert.commands.accompany", "Find an accompaniment for a melody, in its key and tempo"),
    "show": ("mmbert.commands.show", "Say what a file of music is: its pieces and their facets"),
    "describe": (
        "mmbert.commands.describe",
        "Say in words what a piece is like: a sentence, the nearest tags and phrases",
    ),
    "embed": ("mmbert.commands.embed", "Turn files of music into vectors"),
    "serve": ("mmbert_ui.cli_serve", "Open a library as a page in the browser"),
    "demo": ("mmbert_ui.cli_demo", "Build the library that comes with mmbert and open its page"),
    "train": ("mmbert_training.cli_train", "Train a model from a recipe in configs/"),
    "eval": ("mmbert_training.cli_eval", "Measure the model; every figure in the documents comes from here"),
}


def help_text() -> str:
    """What ``mmbert --help`` prints."""
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:<{width}}  {line}" for name, (_, line) in COMMANDS.items())
    return (
        "Usage: mmbert COMMAND [ARGUMENTS]\n\n"
        "Search a folder of music by words, by example and by sound, on your own machine.\n\n"
        f"Commands:\n{lines}\n\n"
        "mmbert COMMAND --help says more. mmbert --version prints the version."
    )


def main(argv: list[str] | None = None) -> int:
    """Run one sub-command. Returns the exit code (see ``mmbert.errors``; 130 when interrupted)."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(help_text())
        return 0 if argv else 2
    if argv[0] == "--version":
        from mmbert import __version__

        print(__version__)
        return 0
    import difflib

    from mmbert.console import fail, run_app
    from mmbert.errors import UsageError

    name, rest = argv[0], argv[1:]
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"Did you mean mmbert {near[0]}?" if near else "mmbert --help lists the commands."
        return fail(UsageError("mmbert", f"there is no command {name!r}", hint), "--json" in rest)
    try:
        module = import_module(COMMANDS[name][0])
    except ModuleNotFoundError as e:
        if (e.name or "").split(".")[0] not in ("mmbert_indexer", "mmbert_training", "mmbert_ui"):
            raise
        return fail(
            UsageError(f"mmbert {name}", f"{e.name} is not installed with this copy of mmbert"), "--json" in rest
        )
    return run_app(module.app, name, rest)
