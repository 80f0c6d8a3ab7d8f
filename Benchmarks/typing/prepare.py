#!/usr/bin/env python3
"""Makes the folder that load.py and compare.py take with --prepared, for machines without git.

usage: prepare.py REPOSITORY DESTINATION [--minutes N] [--typists 1|3] [--seed N] [--files A B C]
"""

import argparse
import sys

import workspace


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("repository")
    parser.add_argument("destination")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--typists", type=int, choices=(1, 3), default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", nargs=3)
    options = parser.parse_args()
    made = workspace.prepare(
        options.repository, options.destination, options.seed, options.minutes, options.typists, options.files)
    print(f"{len(made.events)} events, trace {made.digest}, in {', '.join(made.names)}")


if __name__ == "__main__":
    sys.exit(main())
