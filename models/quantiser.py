"""Reads the quantisers that a decoder exports with its frames."""

from typing import Any, cast

import numpy as np
from av.sidedata.encparams import VideoEncParams
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from sr4k.common.side_data import side_data

EXPORT = {"export_side_data": "venc_params"}
"""Option of libav's decoders that makes those of H.264, VP9, MPEG-4 Part 2, MPEG-1 and MPEG-2 export them."""

_DELTA_QP = 16
"""Byte offset of ``delta_qp`` in FFmpeg's ``AVVideoBlockParams``."""


def mean_qp(frame: VideoFrame) -> float | None:
    """Return the mean quantiser of a frame whose decoder exports it (``export_side_data=venc_params``).

    ``None`` if the decoder doesn't, as those of HEVC and AV1.
    """
    data = side_data(frame).get(Type.VIDEO_ENC_PARAMS.name)
    if not isinstance(data, VideoEncParams):
        return None
    if not data.nb_blocks:
        return float(data.qp)
    raw = np.frombuffer(cast(Any, data), np.uint8, data.nb_blocks * data.block_size, data.blocks_offset)
    deltas = raw.view(np.dtype("<i4"))[_DELTA_QP // 4 :: data.block_size // 4]
    return float(data.qp + deltas.mean())
