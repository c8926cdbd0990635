"""Frames as they come: pieces of an answer, and how far it is."""

from typing import TypeAlias

from saelake.proto.v1 import lake_pb2 as pb
from saelake.store.requests.waited.progress import Progress

Part: TypeAlias = bytes | Progress


def frame_of(part: Part) -> pb.Frame:
    """A part of an answer, as it is sent."""
    if not isinstance(part, Progress):
        return pb.Frame(arrow=part)
    said = pb.Progress(step=part.step, stage=part.stage, done=part.done, total=part.total)
    return pb.Frame(progress=said)


def part_of(frame: bytes) -> Part:
    """What a frame that came is."""
    found = pb.Frame.FromString(frame)
    if not found.HasField("progress"):
        arrow: bytes = found.arrow
        return arrow
    said = found.progress
    return Progress(
        step=said.step,
        stage=said.stage,
        done=said.done,
        total=said.total if said.HasField("total") else None,
    )
