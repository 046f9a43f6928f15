"""What is put together when settings are solved."""

import numpy as np

from cdmer_bench.runner.solve import named_notes


def test_notes_name_the_classes_that_the_source_has():
    notes = {
        3: "every sample is given class index 1",
        7: "the machine is constant (class index 0, 1)",
        9: "nothing of the kind",
    }
    # The method numbers the two classes of a source without the first one 0 and 1.
    y_source = np.array([1, 2, 2, 1])
    assert named_notes(notes, y_source, ("negative", "positive", "surprise")) == {
        3: "every sample is given class surprise",
        7: "the machine is constant (class positive, surprise)",
        9: "nothing of the kind",
    }
