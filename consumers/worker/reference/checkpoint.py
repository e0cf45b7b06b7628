"""Where a training stands between two epochs: all that its rest depends on besides the images."""

from dataclasses import dataclass

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from consumers.worker.reference.colour import Floats
from consumers.worker.reference.model import PALETTE_SIZE, InvalidModel

_NAME = "colours"


@dataclass(frozen=True, kw_only=True)
class Halfway:
    """The palette's colours (PALETTE_SIZE, 3) in OKLab after `epoch` epochs."""

    colours: Floats
    epoch: int

    def to_bytes(self) -> bytes:
        """Return the .safetensors file; who keeps it knows the epoch."""
        return bytes(save({_NAME: np.ascontiguousarray(self.colours)}))


def read_halfway(content: bytes, epoch: int) -> Halfway:
    """Read what `to_bytes` returned after this epoch; raises InvalidModel for anything else."""
    try:
        colours = load(content)[_NAME]
    except (SafetensorError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise InvalidModel("not a checkpoint") from error
    if colours.dtype != np.float32 or colours.shape != (PALETTE_SIZE, 3):
        raise InvalidModel("the checkpoint's palette has another shape")
    if not np.isfinite(colours).all():
        raise InvalidModel("the checkpoint's palette is not finite")
    return Halfway(colours=colours, epoch=epoch)
