# Sourced by the other scripts: makes .venv with what is needed, once for each pyproject.toml.
# Usage: make_environment EXTRAS   (such as "" or "[test,frames]")

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${CDMER_VENV:-$root/.venv}

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11 python; do
        if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "cdmer-bench needs Python 3.11 or newer with venv; none was found on PATH" >&2
    return 2
}

make_environment() {
    local extras=$1 python stamp
    # A stamp with what was installed: a changed pyproject.toml or other extras install again.
    stamp=$(cksum <"$root/pyproject.toml")"$extras$root"
    if [ "$(cat "$venv/.installed$extras" 2>/dev/null)" = "$stamp" ]; then
        return
    fi
    if [ ! -x "$venv/bin/python" ]; then
        python=$(find_python) || return 2
        echo "making ${venv#"$root"/} with $("$python" --version); this happens once" >&2
        "$python" -m venv "$venv" || return 2
    fi
    echo "installing cdmer-bench$extras into ${venv#"$root"/}" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e "$root$extras" >&2 || {
        echo "the installation failed: pip's message above says why (is there a network?)" >&2
        return 1
    }
    # opencv-python needs libraries of a desktop (libGL); on a bare server they are missing, and
    # its twin without windows offers the same module.
    if ! "$venv/bin/python" -c 'import cv2' 2>/dev/null; then
        echo "opencv-python misses system libraries; taking opencv-python-headless instead" >&2
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
            --force-reinstall --no-deps opencv-python-headless >&2 || return 1
    fi
    echo "$stamp" >"$venv/.installed$extras"
}
