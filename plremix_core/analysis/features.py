"""A second opinion in seconds: rank labels by simple features, with scikit-learn; also embeddings and tables."""

import warnings

import numpy as np
import pandas as pd
import threadpoolctl
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize

from ..data.features import Features, require_repeated

FOLDS, NEIGHBOURS, MOST = 5, 20, 20_000  # MOST: rows up to which neighbours are searched in all of them


def rank(features: Features, seed: int = 0) -> pd.DataFrame:
    """Rank labels by features alone; returns a row a sample, in order of the samples.

    `suggested` is the favourite (a number in [0, C)) of a logistic regression that was fitted on the other folds,
    `probability` what it gives to it, and `margin` the log-probability of the given label minus that of the best other
    class. `votes` is the share of the nearest neighbours (by cosine similarity) that have the given label, `neighbours`
    the class that most of them have. `rank` and `rank_votes` (1 = most suspect) are by margin and by votes; `agree`
    says how many of regression and neighbours prefer another class than the given one.
    """
    values, given, names = features
    require_repeated(given)
    folds = StratifiedKFold(min(FOLDS, np.bincount(given).max()), shuffle=True, random_state=seed)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200, tol=1e-3))
    with warnings.catch_warnings(), threadpoolctl.threadpool_limits(1):
        warnings.simplefilter("ignore")  # classes with fewer samples than folds; a fit that is stopped early
        p = cross_val_predict(model, values, given, cv=folds, method="predict_proba")
        unit = normalize(StandardScaler().fit_transform(values))
        some = np.random.default_rng(seed).permutation(len(unit))[:MOST]
        count = min(NEIGHBOURS, len(some) - 1)
        near = some[NearestNeighbors(n_neighbors=count + 1).fit(unit[some]).kneighbors(unit, return_distance=False)]
    keep = near != np.arange(len(unit))[:, None]  # itself is no neighbour
    keep &= np.cumsum(keep, axis=1) <= count
    votes = np.stack([((given[near] == c) & keep).sum(axis=1) for c in range(len(names))], axis=1) / count  # (N, C)
    found = dict(suggested=p.argmax(axis=1), probability=p.max(axis=1), margin=margin(np.log(p.clip(1e-12)), given))
    table = pd.DataFrame(found | dict(votes=votes[np.arange(len(given)), given], neighbours=votes.argmax(axis=1)))
    table["rank"], table["rank_votes"] = (table[by].rank(method="first").astype(int) for by in ("margin", "votes"))
    table["agree"] = (table[["suggested", "neighbours"]].to_numpy() != given[:, None]).sum(axis=1)
    return table


def margin(scores: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Score (N, C) of the given label minus the best other one, (N,)."""
    own = np.arange(scores.shape[1]) == given[:, None]  # (N, C)
    return scores[own] - np.where(own, -np.inf, scores).max(axis=1)
