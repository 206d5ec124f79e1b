"""Vowpal Wabbit over streams that the benchmark has written: same visitors, same answers, same lag.

    vw.py FOLDER        run every setting named in FOLDER/stream.json

The folder holds `stream.json` (sizes, groups, lag, settings), `bins.u8` (rows x attributes), `visitors.u32` (a row for
each decision) and `answers.u8` (decisions x offers: 1 where showing that offer would be answered). For each setting the
chosen offers are written to `choices-N.u8`, and one line of JSON is printed: `played` with the times, or `refused` with
the reason why Vowpal Wabbit does not take the setting.

Examples are parsed once and used again, which is several times faster than parsing text for each decision: the shared
example of a visitor, and one example for each offer. `parsing_per_second` in the output is the way without that.
"""

import json
import sys
import time
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

import numpy as np
import vowpalwabbit

# Also decided from text, to say what that costs.
TEXT_DECISIONS = 500


def visitor_text(row):
    return "shared |U " + " ".join(f"{attribute}={bin}" for attribute, bin in enumerate(row))


def offer_text(offer, group):
    return f"|A offer={offer} group={group}"


def choose(workspace, examples, draw):
    """An offer drawn from the distribution, and its probability. regcb's distribution does not always add up to 1."""
    chances = workspace.predict(examples)
    sums = list(accumulate(chances))
    chosen = min(bisect_right(sums, draw * sums[-1]), len(sums) - 1)
    return chosen, chances[chosen] / sums[-1]


def run(folder, stream, setting, number):
    decisions, offers = stream["decisions"], stream["offers"]
    bins = np.fromfile(folder / "bins.u8", np.uint8).reshape(-1, stream["attributes"])
    visitors = np.fromfile(folder / "visitors.u32", np.uint32).tolist()
    answers = np.fromfile(folder / "answers.u8", np.uint8).reshape(decisions, offers).tolist()
    chance = np.random.default_rng(stream["seed"])
    try:
        workspace = vowpalwabbit.Workspace(f"--cb_explore_adf --quiet -b 18 --random_seed {stream['seed'] + 1} {setting}")
    except RuntimeError as refusal:
        print(json.dumps({"refused": str(refusal)}), flush=True)
        return
    offer_texts = [offer_text(offer, group) for offer, group in enumerate(stream["groups"])]
    parsed_offers = [workspace.example(text) for text in offer_texts]
    parsed_visitors = {row: workspace.example(visitor_text(bins[row])) for row in sorted(set(visitors))}
    choices, probabilities = [0] * decisions, [0.0] * decisions
    deciding = learning = 0.0
    for begin in range(0, decisions, stream["lag"]):
        end = min(begin + stream["lag"], decisions)
        started = time.perf_counter()
        draws = chance.random(end - begin).tolist()
        for at, draw in enumerate(draws, begin):
            choices[at], probabilities[at] = choose(workspace, [parsed_visitors[visitors[at]], *parsed_offers], draw)
        deciding += time.perf_counter() - started
        started = time.perf_counter()
        for at in range(begin, end):
            chosen = choices[at]
            # Cost -1 for an answer, 0 for none.
            cost = -answers[at][chosen]
            examples = [parsed_visitors[visitors[at]], *parsed_offers]
            examples[chosen + 1] = workspace.example(f"0:{cost}:{probabilities[at]} {offer_texts[chosen]}")
            workspace.learn(examples)
        learning += time.perf_counter() - started
    started = time.perf_counter()
    for at in range(min(TEXT_DECISIONS, decisions)):
        choose(workspace, [visitor_text(bins[visitors[at]]), *offer_texts], 0.5)
    parsing = min(TEXT_DECISIONS, decisions) / (time.perf_counter() - started)
    (folder / f"choices-{number}.u8").write_bytes(bytes(choices))
    times = {"deciding_s": deciding, "learning_s": learning, "parsing_per_second": parsing}
    print(json.dumps({"played": times}), flush=True)


def main():
    folder = Path(sys.argv[1])
    stream = json.loads((folder / "stream.json").read_text())
    for number, setting in enumerate(stream["settings"]):
        run(folder, stream, setting, number)


if __name__ == "__main__":
    main()
