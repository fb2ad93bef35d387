#!/usr/bin/env python3
"""Writes golden/ope.ndjson: off-policy estimates of the bundled Open Bandit rows by the package obp.

    pip install --no-deps obp==0.4.1 && pip install numpy pandas scikit-learn scipy tqdm PyYAML
    python golden_ope.py

What is whose:
- values of IPS, SNIPS, DM, DR and replay: obp 0.4.1's estimators, called below;
- `monte_carlo`: obp's own distribution of its BernoulliTS with the production prior (100,000 draws);
- `thompson`, `learnt`: the same distribution as an integral, by scipy on a fine grid; `learnt` has Beta(1, 1) and
  the counts of the other policy's log of the campaign;
- intervals: formulas in numpy, as obp has only a bootstrap of its own (of rows that it has already normalised).

obp imports torch, matplotlib and seaborn for parts that are not used here: empty modules stand in for them.
"""
import json
import pathlib
import platform
import sys
import types

import numpy as np
import pandas as pd
import scipy
from scipy.stats import beta, norm


def stub(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module
    return module


class Nothing:
    """Stands in for a class of a package that is not there."""


data = stub("torch.utils.data", Dataset=Nothing, DataLoader=Nothing)
utils = stub("torch.utils", data=data)
nn, optim = stub("torch.nn", Module=Nothing), stub("torch.optim", Optimizer=Nothing)
stub("torch.nn.functional")
stub("torch", Tensor=Nothing, nn=nn, optim=optim, utils=utils)
plain = lambda kind=None, name=None: kind
stub("mypy_extensions", **{n: plain for n in ["DefaultNamedArg", "NamedArg", "DefaultArg", "Arg", "VarArg", "KwArg"]})
stub("matplotlib", pyplot=stub("matplotlib.pyplot"))
stub("seaborn")

import obp  # noqa: E402
import sklearn  # noqa: E402
from obp import ope  # noqa: E402
from obp.policy import BernoulliTS  # noqa: E402
from obp.policy.contextfree import production_prior_for_bts  # noqa: E402

HERE = pathlib.Path(__file__).parent
DATA = HERE.parent / "data" / "open-bandit"
LEVEL, RESAMPLES, SEED, WEIGHT, POSITIONS = 0.95, 200, 1, 100, 3
OTHER = {"random": "bts", "bts": "random"}


def ranks(alphas, betas):
    """[k, 3]: probability that an item's draw is the greatest, the second and the third, by integration."""
    posteriors = beta(alphas, betas)
    # Pieces between many quantiles of every posterior, and Gauss and Legendre's rule with 8 points on each.
    levels = norm.cdf(np.linspace(-8, 8, 65))
    cuts = np.unique(np.concatenate([posteriors.ppf(level) for level in levels] + [np.linspace(0, 1, 257)]))
    nodes, weights = np.polynomial.legendre.leggauss(8)
    half = np.diff(cuts)[:, None] / 2
    x = (cuts[:-1, None] + half + half * nodes).ravel()
    mass = (half * weights).ravel()
    result = np.zeros((len(alphas), POSITIONS))
    for part in np.array_split(np.arange(len(x)), 200):
        below = posteriors.cdf(x[part, None])
        dense = posteriors.pdf(x[part, None]) * mass[part, None]
        for item in range(len(alphas)):
            above = np.zeros((len(part), POSITIONS))
            above[:, 0] = 1
            for other in range(len(alphas)):
                if other != item:
                    p = below[:, other, None]
                    above = above * p + np.pad(above, ((0, 0), (1, 0)))[:, :POSITIONS] * (1 - p)
            result[item] += (dense[:, item, None] * above).sum(axis=0)
    return result / result.sum(axis=0)


def splitmix(count):
    """The first numbers of SplitMix64 from SEED."""
    with np.errstate(over="ignore"):
        z = np.uint64(SEED) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def intervals(top, bottom):
    """Of Σ top / Σ bottom: by delta method, and by percentile bootstrap of rows."""
    n = len(top)
    value = top.sum() / bottom.sum()
    error = np.sqrt(((top - value * bottom) ** 2).sum() / (n - 1) / n) / bottom.mean()
    z = norm.ppf(0.5 + LEVEL / 2)
    rows = ((splitmix(n * RESAMPLES) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)
    rows = rows.reshape(RESAMPLES, n).astype(np.int64)
    below = bottom[rows].sum(axis=1)
    samples = (top[rows].sum(axis=1) / np.where(below > 0, below, np.nan))[below > 0]
    low, high = np.quantile(samples, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return {"normal": [value - z * error, value + z * error], "bootstrap": [low, high]}


def replayed(dist, position):
    """One-hot: what the policy would have shown at each row, drawn from the seed."""
    units = (splitmix(len(position)) >> np.uint64(11)).astype(float) / 2**53
    shown = np.zeros((len(position), dist.shape[0], POSITIONS))
    for row, (left, at) in enumerate(zip(units, position)):
        item = len(dist) - 1
        for candidate, p in enumerate(dist[:, at]):
            if left < p:
                item = candidate
                break
            left -= p
        shown[row, item, :] = 1.0  # obp wants a distribution at every position; only this row's is read
    return shown


def estimates(log, dist, model):
    """Every estimator of the policy `dist` [k, 3] over a log, with reward model `model` [k]."""
    action, position = log.item_id.to_numpy(), log.position.to_numpy() - 1
    reward, pscore, n = log.click.to_numpy().astype(float), log.propensity_score.to_numpy(), len(log)
    action_dist = np.tile(dist, (n, 1, 1))
    regression = np.tile(model[None, :, None], (n, 1, POSITIONS))
    rows = {"reward": reward, "action": action, "position": position}
    logged = {**rows, "pscore": pscore, "action_dist": action_dist}
    modelled = {**rows, "action_dist": action_dist, "estimated_rewards_by_reg_model": regression}
    shown = replayed(dist, position)
    weight = dist[action, position] / pscore
    policy = (dist * model[:, None]).sum(axis=0)[position] / dist.sum(axis=0)[position]
    matched = shown[np.arange(n), action, position]
    ones = np.ones(n)
    found = {
        "on-policy": (reward.mean(), reward, ones),
        "ips": (ope.InverseProbabilityWeighting().estimate_policy_value(**logged), weight * reward, ones),
        "snips": (ope.SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**logged), weight * reward, weight),
        "dm": (ope.DirectMethod().estimate_policy_value(**modelled), policy, ones),
        "dr": (ope.DoublyRobust().estimate_policy_value(**modelled, pscore=pscore),
               policy + weight * (reward - model[action]), ones),
        "replay": (ope.ReplayMethod().estimate_policy_value(**rows, action_dist=shown), matched * reward, matched),
    }
    return {name: {"value": value, **intervals(top, bottom)} for name, (value, top, bottom) in found.items()
            if bottom.sum() > 0}


def campaign(name):
    logs = {policy: pd.read_csv(DATA / policy / name / f"{name}.csv.gz", index_col=0) for policy in OTHER}
    items = len(pd.read_csv(DATA / "random" / name / "item_context.csv"))
    prior = production_prior_for_bts[name]
    counts = {p: np.array([[(log.item_id == i).sum(), log.click[log.item_id == i].sum()] for i in range(items)])
              for p, log in logs.items()}
    sampler = BernoulliTS(n_actions=items, len_list=POSITIONS, is_zozotown_prior=True, campaign=name, random_state=12345)
    targets = {
        "uniform": np.full((items, POSITIONS), 1 / items),
        "monte_carlo": sampler.compute_batch_action_dist(n_sim=100000)[0],
        "thompson": ranks(np.array(prior["alpha"]), np.array(prior["beta"])),
        "learnt": ranks(1.0 + counts["bts"][:, 1], 1.0 + counts["bts"][:, 0] - counts["bts"][:, 1]),
        "fixed": np.eye(items)[:, [int(np.argmax(counts["bts"][:, 1]))] * POSITIONS],
    }
    apart = np.abs(targets["thompson"] - targets["monte_carlo"]).max()
    assert apart < 0.008, apart  # five deviations of 100,000 draws
    result = {}
    for policy, log in logs.items():
        shown, clicks = counts[OTHER[policy]].T
        model = (clicks + WEIGHT * clicks.sum() / shown.sum()) / (shown + WEIGHT)
        result[policy] = {target: estimates(log, dist, model) for target, dist in targets.items()
                          if target != "learnt" or policy == "random"}
    kept = {target: targets[target].tolist() for target in ["monte_carlo", "thompson", "learnt"]}
    best = int(np.argmax(counts["bts"][:, 1]))
    return {"distributions": kept, "fixed": best, "logs": result}


golden = {
    "made_with": {"obp": obp.__version__, "numpy": np.__version__, "pandas": pd.__version__, "scipy": scipy.__version__,
                  "scikit-learn": sklearn.__version__, "python": platform.python_version()},
    "settings": {"level": LEVEL, "resamples": RESAMPLES, "seed": SEED, "model_weight": WEIGHT},
    "campaigns": {name: campaign(name) for name in ["all", "men"]},
}
# Not `.json`: `millrace up -f jobs` would take it for a manifest.
(HERE / "golden" / "ope.ndjson").write_text(json.dumps(golden) + "\n")
for name, found in golden["campaigns"].items():
    for log, targets in found["logs"].items():
        for target, values in targets.items():
            print(name, log, target, {k: (round(v["value"], 6), np.round(v["normal"], 6).tolist()) for k, v in values.items()})
