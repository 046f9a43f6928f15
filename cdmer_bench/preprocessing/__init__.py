"""From the frames of a clip to what descriptors take: grey, one size, one number of frames."""

# Imported here and not on demand, because `tim` and `resize` are also names of modules: once
# those are imported, the package would show the module in the place of the function.
from cdmer_bench.preprocessing.chain import Preprocessing
from cdmer_bench.preprocessing.crop import face_box, face_share, find_faces
from cdmer_bench.preprocessing.frames import to_grey
from cdmer_bench.preprocessing.resize import resize
from cdmer_bench.preprocessing.tim import tim

__all__ = ["Preprocessing", "face_box", "face_share", "find_faces", "resize", "tim", "to_grey"]
