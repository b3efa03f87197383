"""Run genretagger's commands in forked processes, each with its own fault.

A fork of a process that has everything imported starts in a hundredth of the time that a new
interpreter takes, and is killed like any other. Requests and answers are lines of JSON.
"""

import codecs
import contextlib
import ctypes
import io
import json
import os
import signal
import sys
import tempfile
import time
import traceback

import rich.console  # noqa: F401
from joblib.externals.loky import reusable_executor

from genretagger import cli
from genretagger.cli.commands import apply, tag, undo  # noqa: F401 - once, for all the forks


def run(request: dict, output: int) -> None:
    """Be the process that is killed; never return."""
    code = 99
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ["XDG_STATE_HOME"] = request["state"]
        os.environ["XDG_CACHE_HOME"] = request["state"]
        if request.get("uid"):
            os.setgid(request["uid"])
            os.setuid(request["uid"])
        shim = ctypes.CDLL(None) if request["fault"] else None
        if shim:
            under, kind, at, error = request["fault"]
            shim.fault_arm(under.encode(), ord(kind) if kind else 0, ctypes.c_long(at), error)
        code = cli.main(request["arguments"])
        if reusable_executor._executor is not None:  # nothing else ends them before os._exit
            reusable_executor._executor.shutdown(kill_workers=True)
        sys.stdout.flush()
        sys.stderr.flush()
        if shim:
            shim.fault_count.restype = ctypes.c_long
            n_calls = shim.fault_count()
            shim.fault_arm(b"", 0, ctypes.c_long(0), 0)
            os.write(output, b"\ncalls: %d\n" % n_calls)
    except BaseException:
        os.write(output, traceback.format_exc().encode())
        raise
    finally:
        os._exit(code)


def main() -> None:
    """Answer requests until the input ends."""
    # what is imported late is imported now: the ordinary user that a fork may turn into cannot
    # always read where Python lies
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        cli.main(["--version"])
    for name in ("ascii", "latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "idna"):
        codecs.lookup(name)
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryFile() as output:
            began = time.monotonic()
            child = os.fork()
            if not child:
                run(request, output.fileno())
            if request["kill_after_s"] is not None:
                time.sleep(request["kill_after_s"])
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            duration_s = time.monotonic() - began
            output.seek(0)
            text = output.read().decode(errors="replace")
        answer = {"status": os.waitstatus_to_exitcode(status), "text": text, "s": duration_s}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
