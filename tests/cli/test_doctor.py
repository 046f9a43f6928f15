from importlib.metadata import version


def test_the_doctor_shows_every_dependency_and_the_extras_of_users(cdmer):
    code, out, _ = cdmer("doctor")
    shown = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert code == 0
    for name in ("cdmer-bench", "hydra-core", "numpy", "h5py", "threadpoolctl"):
        assert shown[name] == version(name)
    assert shown["openpyxl"] == f"{version('openpyxl')} (extra frames)"
    for name, extra in (("torch", "c3d"), ("numba", "fast"), ("pyarrow", "parquet")):
        assert shown[name].endswith(f"(extra {extra})")
    assert "skada" not in shown
    assert "pytest" not in shown
    assert {"cache", "results", "cores"} <= shown.keys()


def test_a_package_that_is_missing_is_told(cdmer, monkeypatch):
    from importlib.metadata import PackageNotFoundError

    from cdmer_bench.cli import doctor

    def without_h5py(name):
        if name == "h5py":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(doctor, "version", without_h5py)
    assert "h5py                     not installed\n" in cdmer("doctor")[1]
