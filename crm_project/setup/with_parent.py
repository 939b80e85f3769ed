"""Run a command that is told to stop when the process that started it dies: with_parent.py PARENT COMMAND [ARGUMENT…].

Linux can do that; elsewhere the command outlives a parent that was killed with -9.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

parent, *command = sys.argv[1:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
if os.getppid() != int(parent):
    sys.exit("The process that started this one has died already.")
os.execvp(command[0], command)
