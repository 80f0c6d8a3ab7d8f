"""`evaluate-draft`: how good a draft is, without an engine.

Agreement: share of held-out positions where draft and target would write the same token, by depth and by
language, at 2k and at full context. Tau: speculative decoding simulated on the prompts of a cursor list:
the target's own continuation is generated once (greedy, or sampled at temperature 1), then rounds of
drafting are replayed against it. Because verification accepts exactly the target's own tokens
(sample-and-match, one draw per token), the replay gives the same rounds as a real decoder. Chains follow
the draft's likeliest token; trees grow best first by cumulative log-probability. Tau = tokens emitted per
target pass, the pass's own token included, the prompt's first token not.
"""

import collections
import heapq
import json
import os

import numpy as np
import torch
import torch.nn.functional as F

from . import draft as draft_layer
from . import export
from . import target as target_model
from .learner import agreement
from .rows import TokenFolder
from .target import rotary_tables
from .tokens import dtype_of

CHILDREN = 8  # candidates of one node: more never enter trees of 32
DEEPEST = 16
CONTINUATION = 64  # tokens, the engine's default
SHAPES = [("chain", n) for n in (1, 2, 3, 4, 8)] + [("tree", n) for n in (4, 8, 16, 32)]


def add_arguments(parser):
    parser.add_argument("--target", required=True)
    parser.add_argument("--draft", required=True, help="GGUF or draft.pt")
    parser.add_argument("--held-out", help="folder of held-out token files, for agreement")
    parser.add_argument("--prompts", help="from `cursors`, for tau")
    parser.add_argument("--out", required=True, help="results are appended here as JSON Lines")
    parser.add_argument("--lengths", default="2048,8192,16256", help="of the prompts to use")
    parser.add_argument("--kinds", default="fill,continue")
    parser.add_argument("--temperatures", default="0,1")
    parser.add_argument("--shapes", default=",".join(map("{0[0]}{0[1]}".format, SHAPES)))
    parser.add_argument("--context", type=int, default=16384)
    parser.add_argument("--deepest", type=int, default=8)


def run(arguments):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    configuration, weights = target_model.load(arguments.target)
    target = target_model.Target(configuration, weights, device, torch.bfloat16)
    shape, parameters = export.load_draft(arguments.draft, device)
    working = {name: p.to(device, torch.bfloat16) for name, p in parameters.items()}
    os.makedirs(os.path.dirname(os.path.abspath(arguments.out)), exist_ok=True)
    with open(arguments.out, "a") as out:

        def write(entry):
            out.write(json.dumps({"draft": os.path.basename(arguments.draft), **entry}) + "\n")
            out.flush()
            print(json.dumps(entry), flush=True)

        if arguments.held_out:
            report_agreement(arguments, target, shape, working, write)
        if arguments.prompts:
            report_tau(arguments, target, shape, working, write)


def report_agreement(arguments, target, shape, working, write):
    languages = collections.defaultdict(list)
    for name in sorted(os.listdir(arguments.held_out)):
        if name.endswith(".bin"):
            languages[name.split("__")[0]].append(name)
    dtype = dtype_of(target.configuration.vocabulary_size)
    layer, depths = draft_layer.Draft(shape, target), range(1, arguments.deepest + 1)
    for length, count in ((2048, 32), (arguments.context, 8)):
        totals = collections.Counter()
        for language, names in languages.items():
            data = TokenFolder(arguments.held_out, dtype, 7, pattern=f"{language}__*.bin")
            rows = [data.rows(1, length, target.device) for _ in range(count)]
            found = agreement(layer, working, target, rows, depths)
            for depth, values in found.items():
                totals.update({(depth, i): v / len(languages) for i, v in enumerate(values)})
            write(
                {
                    "measure": "agreement",
                    "length": length,
                    "language": language,
                    "depths": list(depths),
                    "all": [round(found[d][0], 4) for d in depths],
                    "own": [round(found[d][1], 4) for d in depths],
                }
            )
        write(
            {
                "measure": "agreement",
                "length": length,
                "language": "mean",
                "depths": list(depths),
                "all": [round(totals[d, 0], 4) for d in depths],
                "own": [round(totals[d, 1], 4) for d in depths],
                "divergence": [round(totals[d, 2], 4) for d in depths],
            }
        )


def report_tau(arguments, target, shape, working, write):
    groups = collections.defaultdict(list)
    with open(arguments.prompts) as file:
        for line in file:
            entry = json.loads(line)
            groups[entry["length"], entry["kind"]].append(entry)
    for length in map(int, arguments.lengths.split(",")):
        for kind in arguments.kinds.split(","):
            entries = groups[length, kind]
            for temperature in map(float, arguments.temperatures.split(",")):
                replay = Replay(target, shape, working, entries, temperature)
                for form, nodes in map(shape_named, arguments.shapes.split(",")):
                    emitted, rounds, each = replay.tau(form, nodes)
                    write(
                        {
                            "measure": "tau",
                            "kind": kind,
                            "length": length,
                            "temperature": temperature,
                            "form": form,
                            "nodes": nodes,
                            "tau": round(emitted / rounds, 3),
                            "rounds": rounds,
                            "emitted": emitted,
                            "prompts": len(entries),
                            "by_language": {name: round(e / r, 2) for name, (e, r) in sorted(each.items())},
                        }
                    )


def shape_named(name):
    """("tree", 8) for "tree8"."""
    form = name.rstrip("0123456789")
    if form not in ("chain", "tree") or not name[len(form) :]:
        raise ValueError(f"shape '{name}': write chainN or treeN")
    return form, int(name[len(form) :])


class Replay:
    """One set of prompts with the target's continuations, against which drafting is replayed."""

    def __init__(self, target, shape, working, entries, temperature):
        self.target, self.shape, self.working, self.entries = target, shape, working, entries
        prompts = torch.tensor([entry["ids"] for entry in entries], device=target.device)
        generator = torch.Generator(target.device).manual_seed(3)
        tokens = target.generate(prompts, CONTINUATION, temperature, generator)
        self.text = torch.cat([prompts, tokens], 1)
        self.text_on_host = self.text.cpu().numpy()
        self.prompt_length = prompts.shape[1]
        self.layer = draft_layer.Draft(shape, target)
        self.run_target()
        self.continuations = []
        for row, entry in zip(tokens.tolist(), entries):  # up to the end token, which is emitted too
            end_token = entry.get("end", 0)
            end = row.index(end_token) + 1 if end_token in row else len(row)
            self.continuations.append(row[:end])
        self.known = {}  # (prompt, committed, path) to its best children

    @torch.no_grad()
    def run_target(self):
        """The target's K/V of every prompt and continuation, and what its states add to the draft's input."""
        c, (rows, length) = self.shape, self.text.shape
        positions = torch.arange(length, device=self.text.device)[None]
        caches, extras = {layer: [] for layer in c.target_layers}, []
        for row in range(rows):
            _, kv, states = self.target.body(
                self.text[row : row + 1], positions, c.target_layers, c.hidden_layers
            )
            for layer in c.target_layers:
                caches[layer].append(torch.stack(kv[layer], 1))
            if c.hidden_layers:
                extras.append(
                    self.layer.extra_input(self.working, [states[layer] for layer in c.hidden_layers])
                )
        self.caches = {
            layer: torch.cat(parts) for layer, parts in caches.items()
        }  # [rows, 2, heads, tokens, size]
        self.extras = torch.cat(extras) if extras else None

    def tau(self, form, nodes):
        """(tokens emitted, rounds, {language: [emitted, rounds]}) over all prompts."""
        running = {number: self.decode(number, form, nodes) for number in range(len(self.entries))}
        answers, results = {number: None for number in running}, {}
        while running:
            wanted = {}
            for number, routine in list(running.items()):
                try:
                    wanted[number] = routine.send(answers[number])
                except StopIteration as finished:
                    results[number] = finished.value
                    del running[number]
            answers = self.children(wanted)
        each = collections.defaultdict(lambda: [0, 0])
        for number, (emitted, rounds) in results.items():
            entry = each[self.entries[number]["language"]]
            entry[0] += emitted
            entry[1] += rounds
        return sum(e for e, _ in each.values()), sum(r for _, r in each.values()), each

    def decode(self, number, form, nodes):
        """A coroutine: asks for the children of (committed, path), returns (emitted, rounds)."""
        truth, committed, rounds = self.continuations[number], 1, 0
        while committed < len(truth):
            tree = yield from (self.chain if form == "chain" else self.tree)(committed, nodes)
            path = ()
            while committed + len(path) < len(truth) and path + (truth[committed + len(path)],) in tree:
                path += (truth[committed + len(path)],)
            committed = min(committed + len(path) + 1, len(truth))
            rounds += 1
        return len(truth) - 1, rounds

    def chain(self, committed, nodes):
        path, tree = (), set()
        for _ in range(nodes):
            children = yield committed, path
            path += (children[0][0],)
            tree.add(path)
        return tree

    def tree(self, committed, nodes):
        frontier, tree, path, score = [], set(), (), 0.0
        while True:
            if len(path) < DEEPEST:
                for token, log_probability in (yield committed, path):
                    heapq.heappush(frontier, (-(score + log_probability), path + (token,)))
            negative, path = heapq.heappop(frontier)
            score = -negative
            tree.add(path)
            if len(tree) == nodes:
                return tree

    def children(self, wanted):
        """{prompt: [(token, log-probability)]} for {prompt: (committed, path)}, in one pass over the
        unknown ones.
        """
        missing = [(n, *w) for n, w in wanted.items() if (n, *w) not in self.known]
        if missing:
            tokens, scores = self.step(missing)
            for key, row, row_scores in zip(missing, tokens, scores):
                self.known[key] = list(zip(row, row_scores))
        return {n: self.known[(n, *w)] for n, w in wanted.items()}

    @torch.no_grad()
    def step(self, nodes):
        """Top children of drafted nodes (prompt, committed, path), computed from scratch: the draft's own
        K/V are functions of the last `window` tokens, the target's are those of all committed tokens but
        the newest.
        """
        c, w, device = self.shape, self.working, self.target.device
        size, epsilon, count = c.head_size, c.norm_epsilon, len(nodes)
        ends = [self.prompt_length + committed for _, committed, _ in nodes]
        ids = np.empty((count, c.window), np.int64)
        starts = np.array([end + len(path) - c.window for (*_, path), end in zip(nodes, ends)])
        for row, ((number, _, path), end) in enumerate(zip(nodes, ends)):
            ids[row, : c.window - len(path)] = self.text_on_host[number, starts[row] : end]
            ids[row, c.window - len(path) :] = path
        ids = torch.from_numpy(ids).to(device)
        positions = torch.from_numpy(starts[:, None] + np.arange(c.window)).to(device)
        cos, sin = rotary_tables(self.target.configuration, positions, torch.bfloat16)
        x = F.embedding(ids, self.target.weights["embed"])
        numbers = torch.tensor([number for number, *_ in nodes], device=device)
        seen = torch.tensor(ends, device=device) - 1  # target rows that the round may look at
        extra = None if self.extras is None else self.extras[numbers, seen - 1][:, None]
        query, key, value = draft_layer._begin(x, w, cos, sin, size, epsilon)
        group = lambda q: q[:, :, -1].unflatten(1, (c.kv_head_count, -1))
        ungroup = lambda a: a.flatten(1, 2).unsqueeze(2)
        attended = F.scaled_dot_product_attention(group(query), key, value)
        x, queries = draft_layer._middle(
            x[:, -1:], ungroup(attended), extra, w, cos[:, -1:], sin[:, -1:], size, epsilon
        )
        longest = max(ends) - 1
        mask = (torch.arange(longest, device=device)[None] < seen[:, None])[:, None, None]
        parts = []
        for query, layer in zip(queries, c.target_layers):
            cache = self.caches[layer][numbers, :, :, :longest]
            parts.append(
                ungroup(
                    F.scaled_dot_product_attention(group(query), cache[:, 0], cache[:, 1], attn_mask=mask)
                )
            )
        state = draft_layer._finish(x, parts, w, epsilon)
        logits = F.linear(state[:, 0], self.target.weights["head"]).float().log_softmax(-1)
        best = logits.topk(CHILDREN)
        return best.indices.tolist(), best.values.tolist()
