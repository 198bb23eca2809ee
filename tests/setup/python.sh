# A virtual environment for the Python host of the plain module. Sourced by tests/run.

WASMTIME_PY=50.0.1
install_wasmtime_for_python() { # DIRECTORY
  [ "$("$1/bin/python" -c 'import importlib.metadata as m; print(m.version("wasmtime"))' 2>/dev/null)" = "$WASMTIME_PY" ] &&
    return
  python3 -m venv "$1"
  "$1/bin/pip" install --quiet --disable-pip-version-check "wasmtime==$WASMTIME_PY"
}
