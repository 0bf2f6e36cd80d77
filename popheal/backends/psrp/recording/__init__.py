"""What was asked and answered over remoting, as a file that can be sent with a bug report."""

from popheal.backends.psrp.recording.recorded import (
    RecordedCommand,
    Recording,
    read_recording,
)
from popheal.backends.psrp.recording.recorder import Recorder

__all__ = ["RecordedCommand", "Recorder", "Recording", "read_recording"]
