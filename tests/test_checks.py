import numpy as np

from cdmer_bench.checks import Check


def test_a_runtime_warning_fails_a_check():
    outcome = Check("division", "it divides", lambda: str(np.log(np.zeros(1)))).run()
    assert not outcome.passed
    assert "RuntimeWarning" in outcome.reason
