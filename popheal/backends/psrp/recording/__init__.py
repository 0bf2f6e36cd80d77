"""What was asked and answered over remoting, as a file that can be sent with a bug report."""

from popheal.backends.psrp.recording.recorded import (
    Failure,
    Heading,
    Message,
    RecordedCommand,
    Recording,
    read_recording,
)
from popheal.backends.psrp.recording.recorder import Recorder, Take

__all__ = [
    "Failure",
    "Heading",
    "Message",
    "RecordedCommand",
    "Recorder",
    "Recording",
    "Take",
    "read_recording",
]
