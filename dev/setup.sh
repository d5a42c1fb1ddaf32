#!/bin/sh
# setup.sh <venv> <requirements…>: makes the virtual environment, or brings it to what the files say.
set -eu

venv=$1
shift
python=${PYTHON:-python3}

stop() {
    echo "$1" >&2
    exit 1
}

command -v "$python" >/dev/null 2>&1 ||
    stop "Python 3.10 or newer is missing: $python is not on the PATH. Install it, or name another one: make PYTHON=/path/to/python3 …"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    stop "Python 3.10 or newer is needed; $python is $("$python" -c 'import platform; print(platform.python_version())'). Name another one: make PYTHON=python3.12 …"

# One that was copied, or whose Python is gone, cannot be repaired.
if [ -e "$venv" ] && ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$venv"
fi
start=$(date +%s)
echo "Python     setting up $venv from $* (once, and when these files change)"
if [ ! -e "$venv" ]; then
    "$python" -m venv "$venv" >/dev/null 2>&1 || {
        rm -rf "$venv"
        stop "$python cannot make a virtual environment: its venv module is missing (Debian, Ubuntu: apt install python3-venv)."
    }
fi
wanted=
for file in "$@"; do
    wanted="$wanted -r $file"
done
# shellcheck disable=SC2086 # one word per option; the paths are ours and hold no spaces
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input $wanted ||
    stop "The Python packages in $* could not be installed; pip's message is above. Is the network there?"
echo "Python     $venv is ready ($(($(date +%s) - start)) s)"
