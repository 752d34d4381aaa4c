#!/usr/bin/env python3
"""sklearn_check.py BUILD: transforms of dl-prep agree with scikit-learn on the same table.

Exits with 77 (skipped) where the Python package scikit-learn is not installed; DL_PYTHON names the interpreter that has it.
"""
import csv
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile

other = os.environ.get("DL_PYTHON")
if other and not os.environ.get("DL_PYTHON_RUNS"):
    os.execve(other, [other, *sys.argv], {**os.environ, "DL_PYTHON_RUNS": "1"})
try:
    import numpy as np
    from scipy import stats
    from sklearn import decomposition, discriminant_analysis, feature_selection, impute, linear_model, metrics, preprocessing
except ImportError as e:
    print(f"SKIP: {e}; set DL_PYTHON to an interpreter with scikit-learn")
    sys.exit(77)

build = pathlib.Path(sys.argv[1])
random = np.random.default_rng(7)
N = 400
x = np.column_stack([random.normal(size=N), random.gamma(2, 2, N), random.exponential(1, N) * 10, random.integers(0, 6, N),
                     random.normal(size=N)])
x[:, 4] += 0.9 * x[:, 0]
label = (x[:, 0] + 0.3 * x[:, 1] + random.normal(scale=0.5, size=N) > 1).astype(int) + (x[:, 2] > 12)
x = x.round(6)
NAMES = ["a", "b", "c", "d", "e"]
failures = []


def prepare(folder, transforms, columns=x, target=label, task="classification"):
    """Features by name, as dl-prep makes them, and its report."""
    path = folder / "t.csv"
    with open(path, "w") as f:
        f.write(",".join([*NAMES, "y"]) + "\n")
        for row, y in zip(columns, target):
            f.write(",".join("" if np.isnan(v) else repr(float(v)) for v in row) + f",{y}\n")
    config = {"prep": {"from": {"type": "csv", "target": "y", "task": task}, "transforms": transforms, "normalize": "none"}}
    run = lambda *args: subprocess.run([build / "dl-prep", "-q", *args], check=True, capture_output=True, text=True).stdout
    (folder / "c.json").write_text(json.dumps(config))
    run("-c", folder / "c.json", path, "-o", folder / "t.h5")
    rows = list(csv.DictReader(io.StringIO(run("--head", str(len(columns)), "--format", "csv", folder / "t.h5"))))
    features = [n for n in rows[0] if n not in ("part", "id", "label", "target")]
    report = json.loads(run("--report", "--format", "json", folder / "t.h5"))["transforms"]
    return {n: np.array([float(r[n]) for r in rows]) for n in features}, report


def table(features, prefix=""):
    return np.column_stack([v for n, v in features.items() if n.startswith(prefix)])


def check(name, got, want, tolerance=1e-6):
    got, want = np.asarray(got, float), np.asarray(want, float)
    worst = np.inf if got.shape != want.shape else np.max(np.abs(got - want)) / max(1e-9, np.max(np.abs(want)))
    print(f"{name:34} {worst:.1e}")
    if not worst <= tolerance:
        failures.append(name)


def up_to_sign(got, want):
    return got * np.sign(np.sum(got * want, axis=0))


def scales(folder):
    for step, peer in {
        "z_score": preprocessing.StandardScaler(), "min_max": preprocessing.MinMaxScaler(),
        "max_abs": preprocessing.MaxAbsScaler(), "robust": preprocessing.RobustScaler(),
        "unit_norm": preprocessing.Normalizer(), "yeo_johnson": preprocessing.PowerTransformer(standardize=False),
    }.items():
        got = table(prepare(folder, [step])[0])
        check(step, got, peer.fit_transform(x))
    got = table(prepare(folder, [{"type": "box_cox", "columns": ["b", "c"]}])[0])[:, 1:3]
    check("box_cox", got, preprocessing.PowerTransformer("box-cox", standardize=False).fit_transform(x[:, 1:3]))
    for normal in (False, True):
        peer = preprocessing.QuantileTransformer(n_quantiles=50, subsample=None, output_distribution="normal" if normal else "uniform")
        got = table(prepare(folder, [{"type": "quantile", "quantiles": 50, "normal": normal}])[0])
        check(f"quantile normal={normal}", got, peer.fit_transform(x))
    for by, strategy in {"width": "uniform", "quantile": "quantile"}.items():
        peer = preprocessing.KBinsDiscretizer(5, encode="ordinal", strategy=strategy, subsample=None)
        got = table(prepare(folder, [{"type": "bin", "columns": ["a", "b", "c", "e"], "by": by}])[0])[:, [0, 1, 2, 4]]
        want = peer.fit_transform(x[:, [0, 1, 2, 4]])
        check(f"bin by {by}", np.mean(got == want), 1, 0.005)  # a value on an edge may round to either side
    got = prepare(folder, [{"type": "polynomial", "degree": 3}])[0]
    check("polynomial", table(got), preprocessing.PolynomialFeatures(3, include_bias=False).fit_transform(x))


def imputed(folder):
    gaps = x.copy()
    gaps[random.random(x.shape) < 0.1] = np.nan
    for with_, strategy in {"mean": "mean", "median": "median", "most_frequent": "most_frequent"}.items():
        got = table(prepare(folder, [{"type": "impute", "with": with_}], gaps)[0])
        check(f"impute {with_}", got, impute.SimpleImputer(strategy=strategy).fit_transform(gaps))
    got = prepare(folder, [{"type": "impute", "indicator": True}], gaps)[0]
    check("impute indicator", np.column_stack([got[n + "_missing"] for n in NAMES]), np.isnan(gaps))


def projections(folder):
    got, report = prepare(folder, [{"type": "pca", "components": 3}])
    peer = decomposition.PCA(3).fit(x)
    want = peer.transform(x)
    check("pca", up_to_sign(table(got), want), want)
    check("pca explained", report[0]["explained_by"], peer.explained_variance_ratio_)
    got = table(prepare(folder, [{"type": "pca", "components": 0.99, "whiten": True}])[0])
    want = decomposition.PCA(0.99, whiten=True).fit_transform(x)
    check("pca of a share, whitened", up_to_sign(got, want) if got.shape == want.shape else got, want)
    got = table(prepare(folder, ["lda"])[0])
    want = discriminant_analysis.LinearDiscriminantAnalysis(solver="eigen").fit(x, label).transform(x)
    got, want = got - got.mean(0), want - want.mean(0)
    check("lda", up_to_sign(got / got.std(0), want), want / want.std(0))
    whitened = table(prepare(folder, [{"type": "zca", "epsilon": 0}])[0])
    check("zca covariance", np.cov(whitened.T), np.eye(5))


def scores(report):
    lines = report[0]["kept"] + report[0]["dropped"]
    by_name = {line["column"]: line["score"] for line in lines}
    return np.array([by_name[n] for n in NAMES])


def selections(folder):
    by = lambda how, **more: [{"type": "select", "by": how, "keep": 1, **more}]
    check("anova", scores(prepare(folder, by("anova"))[1]), feature_selection.f_classif(x, label)[0])
    y = (2 * x[:, 0] - x[:, 2] + random.normal(size=N)).round(6)
    report = prepare(folder, by("anova"), x, y, "regression")[1]
    check("f of a line", scores(report), feature_selection.f_regression(x, y)[0])
    positive = np.abs(x)
    check("chi squared", scores(prepare(folder, by("chi_squared"), positive)[1]), feature_selection.chi2(positive, label)[0])
    check("variance", scores(prepare(folder, by("variance"))[1]), x.var(0))
    bins = [np.searchsorted(np.sort(v)[[-(-N * b // 10) - 1 for b in range(1, 11)]], v) for v in x.T]
    want = [metrics.mutual_info_score(b, label) for b in bins]
    check("mutual information", scores(prepare(folder, by("mutual_information"))[1]), want)
    report = prepare(folder, [{"type": "select", "by": "vif", "threshold": 1e9}])[1]
    check("variance inflation", scores(report), np.diag(np.linalg.inv(np.corrcoef(x.T))))
    z, t = stats.zscore(x), stats.zscore(y)
    most = np.max(np.abs(z.T @ t)) / N
    for share in (0.5, 0.1, 0.02):
        report = prepare(folder, [{"type": "select", "by": "l1", "threshold": share}], x, y, "regression")[1]
        kept = {line["column"] for line in report[0]["kept"]}
        coefficients = linear_model.Lasso(alpha=share * most, tol=1e-10, max_iter=100000).fit(z, t).coef_
        check(f"l1 at {share}", [n in kept for n in NAMES], coefficients != 0)


with tempfile.TemporaryDirectory() as folder:
    for part in (scales, imputed, projections, selections):
        part(pathlib.Path(folder))
print(f"{len(failures)} failures", *failures)
sys.exit(bool(failures))
