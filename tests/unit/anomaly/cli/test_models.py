"""`anomaly models`: versions are listed, shown, compared, promoted, verified and removed."""

from anomaly.models.libraries import installed
from anomaly.models.manifest import CountsRecord, TrainingRecord
from anomaly.models.model import Model
from anomaly.models.store import Store
from tests.unit.anomaly.cli.command import Run
from tests.unit.anomaly.models.test_store import another, outdate


def test_models_list_counts_the_series_without_a_window_to_train_on(run: Run, store: Store, model: Model) -> None:
    unscored = {"count": 7, "series": []}
    store.write(another(model, "v2"), TrainingRecord(counts=CountsRecord(series=10), untrained=unscored))

    listed = run("models", "list", "--models", str(store.models)).out

    assert "windows of 10 series, 7 of them without a window to train on" in listed[-1]
    assert "without a window" not in listed[0]


def test_models_list_promote_rollback_prune(run: Run, store: Store, model: Model) -> None:
    where = ("--models", str(store.models), "--pipeline", "printer")
    store.write(another(model, "v2"))
    assert run("models", "promote", *where, "v2").last["status"] == "promoted"
    assert run("models", "promote", *where, "v2").last["status"] == "unchanged"
    listed = run("models", "list", "--models", str(store.models))
    assert [line[:2] for line in listed.out] == ["  ", "* "]
    assert [row["current"] for row in run("models", "list", *where, "--json").last["models"]] == [False, True]
    assert run("models", "rollback", *where).last == {
        "pipeline": "printer",
        "status": "rolled back",
        "version": model.version,
    }
    assert run("models", "prune", *where, "--keep", "1").last["status"] == "unchanged"
    assert run("models", "prune", *where, "--keep", "0").code == 2
    ran = run("models", "promote", *where, "v9")
    assert ran.code == 5
    assert "has no version v9" in ran.err


def test_models_show_diff_verify_shadow(run: Run, store: Store, model: Model) -> None:
    where = ("--models", str(store.models), "--pipeline", "printer")
    store.write(another(model, "v2"), TrainingRecord(seed=7, counts=CountsRecord(windows=9)))
    assert f"version: {model.version}" in run("models", "show", *where).out
    assert run("models", "show", *where, "v2", "--json").last["seed"] == 7
    assert run("models", "diff", *where, "current", "v2").out == [
        f"{model.version} -> v2",
        "counts.windows: null -> 9",
        "seed: null -> 7",
    ]
    assert run("models", "diff", *where, "v2", "v2", "--json").last["differences"] == []
    ran = run("models", "show", *where, "shadow")
    assert ran.code == 2
    assert "has no shadow version" in ran.err

    assert run("models", "shadow", *where).code == 2
    assert run("models", "shadow", *where, "v2").last["status"] == "shadowed"
    assert run("models", "shadow", *where, "v2").last["status"] == "unchanged"
    assert [line[:2] for line in run("models", "list", *where).out] == ["* ", "s "]
    assert run("models", "shadow", *where, "--none").last == {
        "pipeline": "printer",
        "status": "shadowed",
        "version": None,
    }

    assert run("models", "verify", *where).last["versions"] == [model.version, "v2"]
    store.write(another(model, "v3"), TrainingRecord(libraries={**installed(), "scikit-learn": "1.0"}))
    said = f"v3 was trained with scikit-learn 1.0 ({installed()['scikit-learn']} here): scores are the same"
    assert said in run("models", "verify", *where, "v3").err
    outdate(store, "v3")
    ran = run("models", "verify", *where, "v3")
    assert (ran.code, ran.last["status"]) == (0, "verified")
    assert "v3 cannot be used, train again: schema 1 in the model" in ran.err
    assert "; cannot be used: schema 1 in the model" in run("models", "list", *where).out[-1]
    (store.path / "v2" / "model.npz").write_bytes(b"")
    assert run("models", "verify", *where, model.version).code == 0
    ran = run("models", "verify", *where)
    assert ran.code == 5
    assert "v2/model.npz is damaged" in ran.err
