"""Checks our estimates and exports by the Open Bandit Pipeline and by Vowpal Wabbit.

    cargo run -p portico-engine --example evaluation_export -- DIRECTORY
    python3 -m venv VENV
    VENV/bin/pip install numpy 'pandas<3' scikit-learn vowpalwabbit
    VENV/bin/pip install --no-deps --ignore-requires-python obp==0.5.7
    VENV/bin/python engine/examples/evaluation_check.py DIRECTORY

obp is installed alone: of its dependencies, the estimators import only the three named above. It also imports torch,
for policy learning and for one type check; a stand-in serves here. Exits with an error where anything disagrees.
"""

import importlib
import json
import re
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import vowpalwabbit

TOLERANCE = 1e-6


def load_obp():
    """The estimators and the dataset reader, without the packages beside them that need torch and plotting."""
    torch = types.ModuleType("torch")
    torch.Tensor = torch.tensor = type("Tensor", (), {})
    sys.modules["torch"] = torch
    root = next(Path(path) / "obp" for path in sys.path if (Path(path) / "obp" / "ope").is_dir())
    for package in ["obp", "obp.ope", "obp.dataset"]:
        module = types.ModuleType(package)
        module.__path__ = [str(root.joinpath(*package.split(".")[1:]))]
        sys.modules[package] = module
    return importlib.import_module("obp.ope.estimators"), importlib.import_module("obp.dataset.real")


def standard_error(rounds):
    return float(np.std(rounds, ddof=1) / np.sqrt(len(rounds)))


def expected(directory, estimators, dataset, clip):
    """Value, standard error and effective rows by name, as obp has them."""
    log = dataset.OpenBanditDataset(
        behavior_policy="random", campaign="all", data_path=directory / "open_bandit"
    ).obtain_batch_bandit_feedback()
    candidate = [json.loads(line) for line in (directory / "candidate.ndjson").read_text().splitlines()]
    assert log["n_rounds"] == len(candidate)
    probabilities = np.zeros((log["n_rounds"], log["n_actions"], 1))
    predictions = np.zeros_like(probabilities)
    for row, of in enumerate(candidate):
        probabilities[row, of["items"], 0] = of["probabilities"]
        predictions[row, of["items"], 0] = of["predictions"]
    logged = {key: log[key] for key in ["reward", "action", "pscore", "position"]} | {"action_dist": probabilities}
    with_model = logged | {"estimated_rewards_by_reg_model": predictions}
    weights = probabilities[np.arange(log["n_rounds"]), log["action"], 0] / log["pscore"]
    effective = lambda limit: float(np.minimum(weights, limit).sum() ** 2 / (np.minimum(weights, limit) ** 2).sum())

    answers = {}

    def ask(name, estimator, arguments, effective_rows, error=None):
        value = estimator.estimate_policy_value(**arguments)
        if error is None:
            error = standard_error(estimator._estimate_round_rewards(**arguments))
        answers[name] = {"value": value, "standard_error": error, "effective_rows": effective_rows}

    ask("ips", estimators.InverseProbabilityWeighting(), logged, effective(np.inf))
    ask("ips_clipped", estimators.InverseProbabilityWeighting(lambda_=clip), logged, effective(clip))
    ratio = (weights * log["reward"]).sum() / weights.sum()
    error = float(np.sqrt(((weights * (log["reward"] - ratio)) ** 2).sum()) / weights.sum())
    snips = estimators.SelfNormalizedInverseProbabilityWeighting()
    ask("snips", snips, logged, effective(np.inf), error)
    ask("direct", estimators.DirectMethod(), with_model, float(log["n_rounds"]))
    ask("doubly_robust", estimators.DoublyRobust(), with_model, effective(np.inf))
    ask("doubly_robust_clipped", estimators.DoublyRobust(lambda_=clip), with_model, effective(clip))
    return answers


def check_estimates(directory):
    ours = json.loads((directory / "estimates.json").read_text())
    worst = 0.0
    for name, theirs in expected(directory, *load_obp(), ours["clip"]).items():
        for what, value in theirs.items():
            # Effective rows are counted in thousands: there the tolerance is relative.
            away = abs(ours[name][what] - value) / max(1.0, abs(value))
            worst = max(worst, away)
            print(f"{name:22} {what:15} ours {ours[name][what]:.12f}  theirs {value:.12f}")
            assert away <= TOLERANCE, f"{name} {what}: {ours[name][what]} is not {value}"
    print(f"estimates agree; largest difference {worst:.1e}")


def check_items(directory):
    """Quoted ids survive another reader."""
    rows = [json.loads(line) for line in (directory / "log.ndjson").read_text().splitlines()]
    items = pd.read_csv(directory / "open_bandit/random/all/item_context.csv", index_col=0)
    chosen = pd.read_csv(directory / "open_bandit/random/all/all.csv", index_col=0)["item_id"]
    names = dict(zip(items["item_id"], items["item_feature_1"]))
    assert [names[item] for item in chosen] == [row["chosen"] for row in rows]
    print(f"{len(rows)} rows name the same offers in NDJSON and CSV")


def check_vowpal_wabbit(directory):
    lines = (directory / "log.dsjson").read_text().splitlines()
    rows = [json.loads(line) for line in (directory / "log.ndjson").read_text().splitlines()]

    workspace = vowpalwabbit.Workspace(
        f"--cb_explore_adf --dsjson --strict_parse --cb_type ips -d {directory / 'log.dsjson'}", enable_logging=True
    )
    workspace.finish()
    report = "\n".join(workspace.get_log())
    examples = int(re.search(r"number of examples = (\d+)", report).group(1))
    assert examples == len(lines) == len(rows), f"{examples} examples of {len(lines)} lines"

    # Line by line: the label that it reads is the one that was logged.
    reader = vowpalwabbit.Workspace("--cb_explore_adf --dsjson --strict_parse --quiet")
    for line, row in zip(lines, rows):
        parsed = reader.parse(line)
        assert len(parsed) == len(row["eligible"]) + 1, "one shared example and one for each offer"
        for offer, example in zip(row["eligible"], parsed[1:]):
            costs = example.get_label(vowpalwabbit.LabelType.CONTEXTUAL_BANDIT).costs
            assert len(costs) == (offer == row["chosen"])
            for cost in costs:
                assert abs(cost.cost + row["reward"]) <= TOLERANCE
                assert abs(cost.probability - row["propensity"]) <= TOLERANCE
        reader.finish_example(parsed)
    print(f"Vowpal Wabbit {vowpalwabbit.__version__} read {examples} examples from {len(lines)} lines, labels agree")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    check_items(Path(sys.argv[1]))
    check_estimates(Path(sys.argv[1]))
    check_vowpal_wabbit(Path(sys.argv[1]))
