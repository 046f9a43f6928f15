# Sourced by the other scripts: makes .venv with what is needed, once for each pyproject.toml.
# Usage: make_environment EXTRAS   (such as "test plots")

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
    local extras=$1 stamp status
    # A stamp for each installed set: a changed pyproject.toml or a moved checkout installs again.
    stamp="$(cksum <"$root/pyproject.toml") $root"
    if is_installed package && is_installed "$extras"; then
        return
    fi
    local python
    python=$(find_python) || return 2
    mkdir -p "$venv" || return 2
    # Scripts started at once take turns; the lock on the folder ends with the process.
    exec 9<"$venv"
    "$python" "$root/scripts/wait_for_turn.py" 9 "${venv#"$root"/}"
    install_missing "$python" "$extras"
    status=$?
    exec 9<&-
    return $status
}

is_installed() {
    [ "$(cat "$venv/.installed-${1// /-}" 2>/dev/null)" = "$stamp" ]
}

install_missing() {
    local python=$1 extras=$2 wanted
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        echo "making ${venv#"$root"/} with $("$python" --version); this happens once" >&2
        "$python" -m venv --clear "$venv" || return 2
    fi
    if ! is_installed package; then
        echo "installing cdmer-bench into ${venv#"$root"/}" >&2
        pip_install -e "$root" || return 1
        take_opencv_without_windows || return 1
        echo "$stamp" >"$venv/.installed-package"
    fi
    if ! is_installed "$extras"; then
        echo "installing what $extras need into ${venv#"$root"/}" >&2
        # Only the packages: installing cdmer-bench again would pull it from under a running one.
        wanted=$("$venv/bin/python" -c '
import sys, tomllib
extras = tomllib.load(open(sys.argv[1], "rb"))["project"]["optional-dependencies"]
print("\n".join(package for name in sys.argv[2:] for package in extras[name]))
' "$root/pyproject.toml" $extras) || return 1
        pip_install -r /dev/stdin <<<"$wanted" || return 1
        echo "$stamp" >"$venv/.installed-${extras// /-}"
    fi
}

pip_install() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2 || {
        echo "the installation failed: pip's message above says why (is there a network?)" >&2
        return 1
    }
}

# opencv-python needs libraries of a desktop (libGL); on a bare server they are missing, and its
# twin without windows offers the same module.
take_opencv_without_windows() {
    if ! "$venv/bin/python" -c 'import cv2' 2>/dev/null; then
        echo "opencv-python misses system libraries; taking opencv-python-headless instead" >&2
        pip_install --force-reinstall --no-deps opencv-python-headless
    fi
}
