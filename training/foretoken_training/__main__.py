"""`python -m foretoken_training COMMAND`: one subcommand per file. Modules load on use, so that the commands
without a model (corpus, cursors, tokens, export) need no PyTorch."""

import argparse
import importlib
import sys

COMMANDS = {
    "corpus": "corpus",
    "tokens": "tokens",
    "cursors": "cursors",
    "own-text": "own_text",
    "train-draft": "train_draft",
    "evaluate-draft": "evaluate_draft",
    "ablate": "ablate",
    "export": "export",
    "verbatim": "verbatim",
    "checkpoints": "checkpoints",
    "golden": "golden",
    "import-longspec": "import_longspec",
    "plot": "plot",
}


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        print("usage: python -m foretoken_training {" + ",".join(COMMANDS) + "} ...", file=sys.stderr)
        return 2
    name = sys.argv[1]
    module = importlib.import_module("." + COMMANDS[name], __package__)
    parser = argparse.ArgumentParser(
        prog=f"foretoken_training {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return module.run(parser.parse_args(sys.argv[2:]))


if __name__ == "__main__":
    sys.exit(main())
